// What media servers say of their drives, and what an operator says of unknown ones.

import type { Handlers } from '@tapestry/bus';
import type { ReleaseUnknownRequest, ReportDrivesRequest } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import {
  attemptOf,
  deleteVolumesBefore,
  doubtfulHosts,
  driveEntries,
  lockGroup,
  memberOf,
} from './adapters/ledger.ts';
import type { Tx } from './adapters/queue.ts';
import { type DriveSight, judgeReport } from './core/drive-report.ts';
import { isLive } from './core/life.ts';
import { freeGroup, sightOf, unassign } from './grants.ts';
import type { Parts } from './parts.ts';
import { RETURNING } from './volume-return.ts';

type DriveHandlers = Pick<Handlers<'nbrb'>, 'ReportDrives' | 'ReleaseUnknown'>;

export function driveHandlers(parts: Parts): DriveHandlers {
  return {
    ReportDrives: async (request, call) => {
      const { host } = call.caller;
      if (host !== undefined && host !== request.host) {
        throw new StatusError('invalidServer', `${host} may not speak for ${request.host}`);
      }
      await applySights(parts, request.host, reportSights(request));
      return {};
    },
    ReleaseUnknown: (request) => releaseUnknown(parts, request),
  };
}

function reportSights(request: ReportDrivesRequest): DriveSight[] {
  return request.drives.map(({ drive, holder, mediaId, ready, reason }) => ({
    ...(holder === null && !ready && reason !== '' ? { away: reason } : {}),
    ...{ drive, mediaId, unsure: false, holder: holder?.grantId ?? '', mounted: ready },
    holderJobId: holder?.attempt?.jobId ?? 0n,
  }));
}

export async function applySights(
  parts: Parts,
  host: string,
  sights: readonly DriveSight[],
): Promise<void> {
  const verdict = await parts.gate.write(async (tx) => {
    const found = judgeReport(await driveEntries(tx, host), sights);
    for (const group of found.freeGroups) {
      const rows = await lockGroup(tx, group);
      // It may have changed since it was judged: only what is still on its way out is freed.
      if (!rows.map(memberOf).some(isLive)) await freeGroup(parts, tx, group);
    }
    for (const drive of found.freeDrives) {
      await tx
        .deleteFrom('holdings')
        .where('drive', '=', drive)
        .where('group_id', '=', '')
        .execute();
    }
    for (const { group, mediaId } of found.arrived) {
      const { taken } = await deleteVolumesBefore(tx, group, mediaId);
      await unassign(parts, tx, group, taken);
    }
    for (const sight of found.strangers) await holdStranger(parts, tx, host, sight);
    return found;
  });
  for (const { sight, entry } of verdict.mismatches) {
    const fields = { host, drive: sight.drive, holder: sight.holder, ours: entry.group };
    parts.log.warn(fields, 'a drive is held under another grant than the one in the books');
  }
  parts.wake();
}

async function holdStranger(parts: Parts, tx: Tx, host: string, sight: DriveSight): Promise<void> {
  const { drive, mediaId, holder, holderJobId } = sight;
  const reason =
    sight.away ?? `held on ${host} under grant ${holder} of job ${holderJobId}, which is over`;
  const holding = {
    ...{ group_id: '', drive, host, job_id: holderJobId, reason, since_ms: parts.nowMs() },
    ...{ number: 0, pending: false, taken: false },
  };
  const rows = [
    { kind: 'drive' as const, name: drive, ...holding },
    ...(mediaId === '' ? [] : [{ kind: 'volume' as const, name: mediaId, ...holding }]),
  ];
  await tx
    .insertInto('holdings')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  if (sight.away !== undefined) parts.log.info({ host, drive, reason }, 'a drive is away');
  else parts.log.warn({ host, drive, holder }, 'a drive is held under a grant that is over');
}

/** Asks each host about what is being released, lost or unknown. One that does not answer changes nothing. */
export async function askDoubtfulHosts(parts: Parts): Promise<void> {
  const hosts = await doubtfulHosts(parts.store.db);
  await Promise.all(hosts.map((host) => askHost(parts, host)));
}

export async function askHost(parts: Parts, host: string): Promise<void> {
  let sights: DriveSight[];
  try {
    const { mounts } = await parts.neighbours.ltid(host).ListMounts({});
    sights = mounts.map(sightOf);
  } catch (error) {
    const { detail } = asStatusError(error);
    parts.log.warn({ host, detail }, 'a media server does not tell of its drives');
    return;
  }
  await applySights(parts, host, sights);
}

async function releaseUnknown(parts: Parts, { kind, name, requester }: ReleaseUnknownRequest) {
  if (kind !== 'drive' && kind !== 'volume') {
    throw new StatusError('invalidParameter', `'${kind}' is neither drive nor volume`);
  }
  const held = await parts.gate.write(async (tx) => {
    const row = await tx
      .deleteFrom('holdings')
      .where('kind', '=', kind)
      .where('name', '=', name)
      .where('reason', 'not in', ['', RETURNING])
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) {
      throw new StatusError('notFound', `no ${kind} ${name} is unknown`, { kind, name });
    }
    if (row.taken) await unassign(parts, tx, row.group_id, [row.name]);
    const rest = await tx
      .selectFrom('holdings')
      .select('name')
      .where('group_id', '=', row.group_id)
      .executeTakeFirst();
    const [grant] = row.group_id === '' ? [] : await lockGroup(tx, row.group_id);
    if (rest === undefined && grant !== undefined) await freeGroup(parts, tx, row.group_id);
    return { ...row, attempt: grant === undefined ? undefined : attemptOf(grant) };
  });
  if (held.attempt !== undefined) {
    const text = `${requester} vouched that ${kind} ${name} is idle, which was unknown: ${held.reason}`;
    parts.warn(held.attempt, `vouched/${kind}/${name}`, text);
  }
  parts.log.warn(
    { kind, name, requester, reason: held.reason, jobId: String(held.job_id) },
    'an operator vouched that an unknown resource is idle',
  );
  parts.wake();
  return {};
}
