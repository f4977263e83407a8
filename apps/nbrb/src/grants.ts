// The life of a grant after it was made: renewed while its writer lives, given back, freed once the drive's host
// confirms that it is idle, or called unknown with the reason. Promises that nothing is freed on a guess.

import type { Handlers } from '@tapestry/bus';
import type { GrantRef, MountRow } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import {
  attemptOf,
  deleteGrants,
  deleteHoldings,
  findGrant,
  type GrantRow,
  lockAttempt,
  lockGrant,
  lockGroup,
  makeUnknown,
  memberOf,
  refOf,
} from './adapters/ledger.ts';
import type { Tx } from './adapters/queue.ts';
import { type DriveSight, isIdle } from './core/drive-report.ts';
import { isSilent, onDoubt, onRelease, othersLive } from './core/life.ts';
import { attemptKey } from './core/need.ts';
import type { Parts } from './parts.ts';

type GrantHandlers = Pick<Handlers<'nbrb'>, 'ReleaseGrant' | 'RenewGrants' | 'CheckGrant'>;

/** The usual release is answered at once; a host that hangs must not hold up the others. */
const LIST_MOUNTS_MS = 3_000;

export function grantHandlers(parts: Parts): GrantHandlers {
  return {
    ReleaseGrant: async ({ grant }) => {
      if (grant === null) throw new StatusError('invalidRequest', 'no grant is named');
      await parts.gate.write((tx) => startRelease(parts, tx, grant.grantId));
      return {};
    },
    RenewGrants: ({ host, grants }, { caller }) =>
      renewGrants(parts, { host, refs: grants, mounts: caller.service === 'ltid' }),
    CheckGrant: async ({ grant }) => {
      const row = grant === null ? undefined : await findGrant(parts.store.db, grant.grantId);
      if (row === undefined || !isSame(row, grant)) return { valid: false };
      const { media_server: mediaServer, storage_unit: storageUnit, pool, writes } = row;
      return { valid: true, mediaServer, storageUnit, pool, writes };
    },
  };
}

/** Valid: it lives, and names the same attempt and epoch. */
export function isSame(row: GrantRow, ref: GrantRef | null): boolean {
  return (
    row.state === 'active' &&
    ref !== null &&
    ref.epoch === row.epoch &&
    ref.attempt !== null &&
    attemptKey(ref.attempt) === attemptKey(attemptOf(row))
  );
}

/** Takes a grant out of use, and the others of its request. Harmless when it is gone, or on its way already. */
export async function startRelease(parts: Parts, tx: Tx, grantId: string): Promise<void> {
  const row = await findGrant(tx, grantId);
  if (row === undefined) return;
  for (const each of await lockAttempt(tx, attemptOf(row))) await startReleaseOf(parts, tx, each);
}

async function startReleaseOf(parts: Parts, tx: Tx, row: GrantRow): Promise<void> {
  const { grant_id: grantId, group_id: groupId } = row;
  const group = await lockGroup(tx, groupId);
  const what = onRelease(memberOf(row), group.map(memberOf));
  if (what === 'nothing') return;
  parts.wake();
  if (what === 'free') {
    await parts.effects.supersede(tx, `grant/${grantId}/assign`);
    return await freeGroup(parts, tx, groupId);
  }
  if (what === 'leave') return await leaveGroup(tx, row, group);
  // A disk storage unit has nothing that somebody else could still be using.
  if (row.drive === '') return await deleteGrants(tx, [grantId]);
  await tx
    .updateTable('grants')
    .set({ state: 'releasing', release_ms: parts.nowMs() })
    .where('grant_id', '=', grantId)
    .execute();
  await parts.effects.enqueue(tx, {
    ...{ kind: 'release', key: `grant/${grantId}/release`, lane: `grant/${grantId}` },
    payload: { grantId },
  });
}

/** The drive stays with the other streams. */
async function leaveGroup(tx: Tx, row: GrantRow, group: readonly GrantRow[]): Promise<void> {
  const heir = group.find((each) => each.grant_id !== row.grant_id && each.state === 'active');
  await deleteGrants(tx, [row.grant_id]);
  if (heir === undefined) return;
  await tx
    .updateTable('holdings')
    .set({ job_id: heir.job_id })
    .where('group_id', '=', row.group_id)
    .execute();
}

/**
 * Drive and volume may be given out again, all grants of the group are over. A volume that was taken for it goes back
 * if nothing is on it.
 */
export async function freeGroup(parts: Parts, tx: Tx, groupId: string): Promise<void> {
  const rows = await lockGroup(tx, groupId);
  await deleteGrants(
    tx,
    rows.map((row) => row.grant_id),
  );
  await unassign(parts, tx, groupId, await deleteHoldings(tx, groupId));
  parts.wake();
}

/** Volumes that were taken for a group go back, those of them on which nothing was written. */
export async function unassign(
  parts: Parts,
  tx: Tx,
  groupId: string,
  mediaIds: readonly string[],
): Promise<void> {
  for (const mediaId of mediaIds) {
    await parts.effects.enqueue(tx, {
      ...{ kind: 'unassign', key: `grant/${groupId}/unassign/${mediaId}` },
      ...{ lane: `grant/${groupId}`, payload: { grantId: groupId, mediaId } },
    });
  }
}

interface Renewal {
  readonly host: string;
  readonly refs: readonly GrantRef[];
  /** It is about mounts, not about the streams that use them. */
  readonly mounts: boolean;
}

async function renewGrants(parts: Parts, { host, refs, mounts }: Renewal) {
  const nowMs = parts.nowMs();
  const invalid = await parts.gate.write(async (tx) => {
    const rows = await tx
      .selectFrom('grants')
      .selectAll()
      .where('media_server', '=', host)
      .where('state', '=', 'active')
      .execute();
    const byId = new Map(rows.map((row) => [row.grant_id, row]));
    // The mount of a group stands under the grant that began it, also when that has ended before the others.
    const groups = new Set(rows.map((row) => row.group_id));
    const valid = refs.filter((ref) => {
      const row = byId.get(ref.grantId);
      if (row === undefined) return mounts && groups.has(ref.grantId);
      return isSame(row, ref);
    });
    if (valid.length > 0) {
      const ids = valid.map((ref) => ref.grantId);
      await tx
        .updateTable('grants')
        .set({ renewed_ms: nowMs })
        .where('grant_id', 'in', ids)
        .execute();
    }
    return refs.filter((ref) => !valid.includes(ref));
  });
  return { invalid };
}

/** The release effect: free when the host says so, unknown when it cannot say so in time. */
export async function tryRelease(
  parts: Parts,
  grantId: string,
  signal: AbortSignal,
): Promise<void> {
  const row = await findGrant(parts.store.db, grantId);
  if (row === undefined || row.state !== 'releasing') return;
  const doubt = await doubtAbout(parts, row, signal);
  if (doubt === undefined) {
    await parts.gate.write(async (tx) => {
      const now = await lockGrant(tx, grantId);
      if (now?.state !== 'releasing') return;
      const group = await lockGroup(tx, now.group_id);
      if (othersLive(memberOf(now), group.map(memberOf))) await leaveGroup(tx, now, group);
      else await freeGroup(parts, tx, now.group_id);
    });
    return;
  }
  if (onDoubt(row.release_ms, parts.nowMs(), parts.limits.releaseWaitMs) === 'ask again') {
    throw new StatusError('resourcesBusy', doubt);
  }
  await parts.gate.write((tx) => makeUnknown(tx, row, doubt));
  parts.log.warn({ grantId, drive: row.drive }, `a drive is unknown after its release: ${doubt}`);
  parts.wake();
}

/** Why the drive cannot be called idle, or undefined: it is. */
async function doubtAbout(
  parts: Parts,
  row: GrantRow,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { drive, media_server } = row;
  const group = await parts.store.db
    .selectFrom('grants')
    .select('grant_id')
    .where('group_id', '=', row.group_id)
    .execute();
  const ids = [row.group_id, ...group.map((each) => each.grant_id)];
  try {
    const { mounts } = await parts.neighbours
      .ltid(media_server)
      .ListMounts({}, { deadlineMs: LIST_MOUNTS_MS, signal });
    if (isIdle(mounts.map(sightOf), drive, ids)) return undefined;
    return `${media_server} says that drive ${drive} is still in use by job ${row.job_id}`;
  } catch (error) {
    const { detail } = asStatusError(error);
    return `${media_server} could not confirm that drive ${drive} is idle: ${detail}`;
  }
}

export function sightOf(row: MountRow): DriveSight {
  return {
    ...{ drive: row.drive, holder: row.holder?.grantId ?? '', mediaId: row.mediaId },
    holderJobId: row.holder?.attempt?.jobId ?? 0n,
    ...{ unsure: row.state === 'unknown', mounted: row.state === 'mounted' },
    ...(row.state === 'cleaning' ? { away: row.reason } : {}),
  };
}

/** Calls grants lost whose writers were not heard of for T2. */
export async function loseSilentGrants(parts: Parts): Promise<void> {
  const { leaseT2Ms } = parts.limits;
  const nowMs = parts.nowMs();
  const lost = await parts.gate.write(async (tx) => {
    const rows = await tx
      .selectFrom('grants')
      .selectAll()
      .where('state', '=', 'active')
      // Nothing is mounted for a disk storage unit: there the job's own end counts.
      .where('drive', '<>', '')
      .where('renewed_ms', '<', nowMs - leaseT2Ms)
      .forUpdate()
      .execute();
    for (const row of rows) {
      if (!isSilent({ state: row.state, renewedMs: row.renewed_ms }, nowMs, leaseT2Ms)) continue;
      await lose(parts, tx, row, `was not heard of for ${leaseT2Ms / 1_000} s`);
    }
    return rows;
  });
  for (const row of lost) {
    const fields = { grantId: row.grant_id, jobId: String(row.job_id), drive: row.drive };
    parts.log.warn(fields, 'a grant was lost');
  }
  if (lost.length > 0) parts.wake();
}

/** Calls a grant lost, and tells its job. */
export async function lose(parts: Parts, tx: Tx, row: GrantRow, what: string): Promise<void> {
  const reason = `its writer on ${row.media_server} ${what}`;
  await makeUnknown(tx, row, reason);
  // The job knows the grant of its first need; one word of the end is enough.
  const [first = row] = await lockAttempt(tx, attemptOf(row));
  await parts.effects.enqueue(tx, {
    ...{ kind: 'lost', key: `grant/${row.grant_id}/lost` },
    lane: `attempt/${attemptKey(attemptOf(row))}`,
    payload: { grant: refOf(first), reason },
  });
}
