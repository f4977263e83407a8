// Does the effects of nbrb: tells nbjm, takes and gives back volumes at nbemm, and asks hosts before freeing drives.

import { codec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { EffectRunner } from '@tapestry/store';
import { deleteGrant, grantOf, lockGrant } from './adapters/ledger.ts';
import { insertRequest } from './adapters/queue.ts';
import type { RbDb } from './adapters/schema.ts';
import { enqueueGranted } from './evaluation.ts';
import { tryRelease } from './grants.ts';
import type { Parts, RbEffects } from './parts.ts';

export function makeEffectRunner(parts: Parts): EffectRunner<RbDb, RbEffects> {
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
      unassign: async (payload, { signal }) => {
        await nbemm.UnassignVolume(payload, { signal });
      },
      release: ({ grantId }, { signal }) => tryRelease(parts, grantId, signal),
    },
  });
}

/** Publishes the grant once the volume is its own; a volume that changed meanwhile sends the request back. */
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
        .set({ state: 'active', grant: Buffer.from(codec('Grant').encode(grant)) })
        .where('grant_id', '=', grantId)
        .execute();
      await enqueueGranted(parts, tx, grant);
    });
  } catch (error) {
    if (!(error instanceof StatusError) || error.retryable) throw error;
    parts.log.warn({ grantId, detail: error.detail }, 'a volume could not be taken: again in turn');
    await parts.gate.write(async (tx) => {
      const row = await lockGrant(tx, grantId);
      if (row?.state !== 'assigning') return;
      const request = codec('ResourceRequest').decode(row.request);
      await deleteGrant(tx, grantId);
      await insertRequest(tx, request.attempt!, request);
    });
    parts.wake();
  }
}
