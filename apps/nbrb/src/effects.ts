// Does the effects of nbrb: tells nbjm, takes and gives back volumes at nbemm, and asks hosts before freeing drives.

import { codec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { EffectRunner } from '@tapestry/store';
import {
  attemptOf,
  type GrantRow,
  grantOf,
  lockAttempt,
  lockGrant,
  requestOf,
} from './adapters/ledger.ts';
import type { Tx } from './adapters/queue.ts';
import type { RbDb } from './adapters/schema.ts';
import { enqueueGranted } from './evaluation.ts';
import { freeGroup, tryRelease } from './grants.ts';
import { assignNext } from './next-volume.ts';
import type { Parts, RbEffects } from './parts.ts';
import type { VolumeReturns } from './volume-return.ts';

export function makeEffectRunner(
  parts: Parts,
  returns: VolumeReturns,
): EffectRunner<RbDb, RbEffects> {
  const { nbjm, nbemm } = parts.neighbours;
  return new EffectRunner({
    store: parts.store,
    gate: parts.gate,
    effects: parts.effects,
    backoff: { firstMs: 100, capMs: 3_000 },
    concurrencyMax: 32,
    handlers: {
      granted: async ({ grant }, { signal }) => {
        await nbjm.ResourcesGranted({ grant }, { signal });
      },
      waiting: async (payload, { signal }) => {
        await nbjm.ResourcesWaiting(payload, { signal });
      },
      refused: async (payload, { signal }) => {
        await nbjm.ResourcesRefused(payload, { signal });
      },
      lost: async (payload, { signal }) => {
        await nbjm.GrantLost(payload, { signal });
      },
      assign: (payload, { signal }) => assign(parts, payload, signal),
      assignNext: (payload, { signal }) => assignNext(parts, payload, signal),
      unassign: async (payload, { signal }) => {
        await nbemm.UnassignVolume(payload, { signal });
      },
      returnVolume: (payload, { signal }) => returnVolume(parts, returns, payload, signal),
      release: ({ grantId }, { signal }) => tryRelease(parts, grantId, signal),
    },
  });
}

/** Publishes the grants once each volume is their own; a volume that changed meanwhile sends the request back. */
async function assign(
  parts: Parts,
  payload: RbEffects['assign'],
  signal: AbortSignal,
): Promise<void> {
  const { grantId } = payload;
  try {
    const { volume } = await parts.neighbours.nbemm.AssignVolume(payload, { signal });
    await parts.gate.write(async (tx) => {
      const row = await lockGrant(tx, grantId);
      if (row?.state !== 'assigning') return;
      const grant = { ...grantOf(row), volume };
      await tx
        .updateTable('grants')
        .set({ assigned: true, grant: Buffer.from(codec('Grant').encode(grant)) })
        .where('grant_id', '=', grantId)
        .execute();
      await publishWhenWhole(parts, tx, row);
    });
  } catch (error) {
    if (!(error instanceof StatusError) || error.retryable) throw error;
    parts.log.warn({ grantId, detail: error.detail }, 'a volume could not be taken: again in turn');
    await parts.gate.write(async (tx) => {
      const row = await lockGrant(tx, grantId);
      if (row?.state === 'assigning') await sendBack(parts, tx, row);
    });
    parts.wake();
  }
}

/** Whatever nbemm answers for good ends the hold on the volume. */
async function returnVolume(
  { neighbours }: Parts,
  returns: VolumeReturns,
  { key, mediaId, volumeVersion }: RbEffects['returnVolume'],
  signal: AbortSignal,
): Promise<void> {
  try {
    await neighbours.nbemm.DeassignVolume({ mediaId, volumeVersion }, { signal });
  } catch (error) {
    if (!(error instanceof StatusError) || error.retryable) throw error;
    return await returns.settle(key, mediaId, error);
  }
  await returns.settle(key, mediaId, undefined);
}

async function publishWhenWhole(parts: Parts, tx: Tx, row: GrantRow): Promise<void> {
  const attempt = attemptOf(row);
  const rows = await lockAttempt(tx, attempt);
  if (rows.some((each) => each.needs_assign && !each.assigned)) return;
  const ids = rows.map((each) => each.grant_id);
  await tx
    .updateTable('grants')
    .set({ state: 'active', renewed_ms: parts.nowMs() })
    .where('grant_id', 'in', ids)
    .execute();
  await enqueueGranted(parts, tx, attempt);
  // Who waits to join its streams may go now.
  if (row.mpx_max > 1) parts.wake();
}

/** The request waits again, and everything that it had is free: nobody was told of it. */
async function sendBack(parts: Parts, tx: Tx, row: GrantRow): Promise<void> {
  const attempt = attemptOf(row);
  for (const each of await lockAttempt(tx, attempt)) {
    if (each.grant_id !== row.grant_id) {
      await parts.effects.supersede(tx, `grant/${each.grant_id}/assign`);
    }
    await freeGroup(parts, tx, each.group_id);
  }
  await parts.queue.insert(tx, attempt, requestOf(row));
}
