// The life of a grant after it was made: renewed while its writer lives, given back, freed once the drive's host
// confirms that it is idle, or called unknown with the reason. Promises that nothing is freed on a guess.

import type { Handlers } from '@tapestry/bus';
import type { GrantRef, MountRow } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import {
  attemptOf,
  deleteGrant,
  findGrant,
  type GrantRow,
  lockGrant,
  makeUnknown,
  refOf,
} from './adapters/ledger.ts';
import { attemptKey, type Tx } from './adapters/queue.ts';
import { type DriveSight, isIdle } from './core/drive-report.ts';
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
    RenewGrants: ({ host, grants }) => renewGrants(parts, host, grants),
    CheckGrant: async ({ grant }) => {
      const row = grant === null ? undefined : await findGrant(parts.store.db, grant.grantId);
      const valid = row !== undefined && isSame(row, grant);
      return { valid, mediaServer: valid ? row.media_server : '' };
    },
  };
}

/** Valid: it lives, and names the same attempt and epoch. */
function isSame(row: GrantRow, ref: GrantRef | null): boolean {
  return (
    row.state === 'active' &&
    ref !== null &&
    ref.epoch === row.epoch &&
    ref.attempt !== null &&
    attemptKey(ref.attempt) === attemptKey(attemptOf(row))
  );
}

/** Takes the grant out of use. Harmless when it is gone, or on its way already. */
export async function startRelease(parts: Parts, tx: Tx, grantId: string): Promise<void> {
  const row = await lockGrant(tx, grantId);
  if (row === undefined || row.state === 'releasing' || row.state === 'lost') return;
  if (row.state === 'assigning') {
    // Never published: nobody can have touched the drive.
    await parts.effects.supersede(tx, `grant/${grantId}/assign`);
    return await freeGrant(parts, tx, row);
  }
  await tx
    .updateTable('grants')
    .set({ state: 'releasing', release_ms: parts.nowMs() })
    .where('grant_id', '=', grantId)
    .execute();
  await parts.effects.enqueue(tx, {
    ...{ kind: 'release', key: `grant/${grantId}/release`, lane: `grant/${grantId}` },
    payload: { grantId },
  });
  parts.wake();
}

/** Drive and volume may be given out again. A volume that was taken for it goes back if nothing is on it. */
export async function freeGrant(parts: Parts, tx: Tx, row: GrantRow): Promise<void> {
  await deleteGrant(tx, row.grant_id);
  if (row.needs_assign) {
    await parts.effects.enqueue(tx, {
      ...{ kind: 'unassign', key: `grant/${row.grant_id}/unassign`, lane: `grant/${row.grant_id}` },
      payload: { grantId: row.grant_id, mediaId: row.media_id },
    });
  }
  parts.wake();
}

async function renewGrants(parts: Parts, host: string, refs: readonly GrantRef[]) {
  const nowMs = parts.nowMs();
  const invalid = await parts.gate.write(async (tx) => {
    const rows = await tx
      .selectFrom('grants')
      .selectAll()
      .where('media_server', '=', host)
      .where('state', '=', 'active')
      .execute();
    const byId = new Map(rows.map((row) => [row.grant_id, row]));
    const valid = refs.filter((ref) => {
      const row = byId.get(ref.grantId);
      return row !== undefined && isSame(row, ref);
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
      if (now?.state === 'releasing') await freeGrant(parts, tx, now);
    });
    return;
  }
  if (parts.nowMs() - row.release_ms < parts.limits.releaseWaitMs) {
    throw new StatusError('resourcesBusy', doubt);
  }
  await parts.gate.write((tx) => makeUnknown(tx, grantId, doubt));
  parts.log.warn({ grantId, drive: row.drive }, `a drive is unknown after its release: ${doubt}`);
  parts.wake();
}

/** Why the drive cannot be called idle, or undefined: it is. */
async function doubtAbout(
  parts: Parts,
  row: GrantRow,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { drive, grant_id, media_server } = row;
  try {
    const { mounts } = await parts.neighbours
      .ltid(media_server)
      .ListMounts({}, { deadlineMs: LIST_MOUNTS_MS, signal });
    if (isIdle(mounts.map(sightOf), drive, grant_id)) return undefined;
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
    unsure: row.state === 'unknown',
  };
}

/** Calls grants lost whose writers were not heard of for T2. */
export async function loseSilentGrants(parts: Parts): Promise<void> {
  const { leaseT2Ms } = parts.limits;
  const lost = await parts.gate.write(async (tx) => {
    const rows = await tx
      .selectFrom('grants')
      .selectAll()
      .where('state', '=', 'active')
      .where('renewed_ms', '<', parts.nowMs() - leaseT2Ms)
      .forUpdate()
      .execute();
    for (const row of rows) {
      const reason = `its writer on ${row.media_server} was not heard of for ${leaseT2Ms / 1_000} s`;
      await makeUnknown(tx, row.grant_id, reason);
      await parts.effects.enqueue(tx, {
        ...{ kind: 'lost', key: `grant/${row.grant_id}/lost` },
        lane: `attempt/${attemptKey(attemptOf(row))}`,
        payload: { grant: refOf(row), reason },
      });
    }
    return rows;
  });
  for (const row of lost) {
    const fields = { grantId: row.grant_id, jobId: String(row.job_id), drive: row.drive };
    parts.log.warn(fields, 'a grant was lost');
  }
  if (lost.length > 0) parts.wake();
}
