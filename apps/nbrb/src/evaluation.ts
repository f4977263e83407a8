// The loop that gives out: woken by whatever may let a request go, and looking by itself from time to time. One pass
// at a time; nbemm is asked once for all requests of the same need, and not for those whose counters are exhausted.

import { randomUUID } from 'node:crypto';
import {
  type Candidate,
  codec,
  type Grant,
  type Init,
  type ResourceRequest,
} from '@tapestry/contracts';
import { asStatusError } from '@tapestry/status';
import { isUniqueViolation } from '@tapestry/store';
import { insertGrant, loadHoldings, nextEpoch } from './adapters/ledger.ts';
import { attemptKey, deleteRequest, loadQueue, type Queued, saveTold } from './adapters/queue.ts';
import { type GrantPlan, grant, type Holdings, type Offer, type Waiting } from './core/grant.ts';
import { inWords, shouldTell } from './core/waiting-report.ts';
import type { Parts } from './parts.ts';

const ASK_AT_ONCE = 16;

export interface PassResult {
  readonly granted: number;
  readonly refused: number;
  readonly waiting: number;
}

/** Why each request waits, as the last pass saw it: for Dump. */
export type Reasons = ReadonlyMap<string, readonly string[]>;

export interface Evaluation {
  /** One pass over the queue. */
  pass(): Promise<PassResult>;
  reasons(): Reasons;
}

export function makeEvaluation(parts: Parts): Evaluation {
  let reasons: Reasons = new Map();
  return {
    reasons: () => reasons,
    pass: async () => {
      const [queue, holdings] = await Promise.all([
        loadQueue(parts.store.db),
        loadHoldings(parts.store.db),
      ]);
      if (queue.length === 0) {
        reasons = new Map();
        return { granted: 0, refused: 0, waiting: 0 };
      }
      const plan = await planWithOffers(parts, queue, holdings);
      reasons = new Map(plan.blocked.map((each) => [each.waiting.key, each.reasons]));
      let granted = 0;
      for (const { waiting, candidate } of plan.grants) {
        if (await give(parts, waiting, candidate)) granted += 1;
      }
      await refuse(parts, plan);
      await tellWaiting(parts, new Map(queue.map((each) => [each.key, each])), plan);
      // Somebody was quicker than the plan: the books have changed, look again.
      if (granted < plan.grants.length) parts.wake();
      return { granted, refused: plan.refused.length, waiting: plan.blocked.length };
    },
  };
}

/** Plans, asks nbemm for the needs that turned up, and plans again until nothing is missing. */
async function planWithOffers(
  parts: Parts,
  queue: readonly Waiting[],
  holdings: Holdings,
): Promise<GrantPlan> {
  const offers = new Map<string, Offer>();
  const held = holdings.held.filter((each) => each.kind === 'volume').map((each) => each.name);
  for (;;) {
    const plan = grant(queue, holdings, offers);
    if (plan.missing.size === 0) return plan;
    const missing = [...plan.missing];
    while (missing.length > 0) {
      const batch = missing.splice(0, ASK_AT_ONCE);
      await Promise.all(
        batch.map(async ([need, request]) => offers.set(need, await ask(parts, request, held))),
      );
    }
  }
}

/** Volumes in use are named as those to avoid: then the list that nbemm cuts short begins with free ones. */
async function ask(
  parts: Parts,
  request: ResourceRequest,
  held: readonly string[],
): Promise<Offer> {
  const avoidMediaIds = [...request.avoidMediaIds, ...held];
  try {
    return await parts.neighbours.nbemm.Evaluate({
      request: { ...request, avoidMediaIds },
      nowMs: BigInt(parts.nowMs()),
    });
  } catch (error) {
    const { detail } = asStatusError(error);
    return { candidates: [], reasons: [`nbemm could not be asked: ${detail}`], refusal: null };
  }
}

/** One grant in one transaction. False: the request is gone, or drive or volume are taken after all. */
async function give(parts: Parts, waiting: Waiting, candidate: Candidate): Promise<boolean> {
  const { request } = waiting;
  const attempt = request.attempt!;
  const nowMs = parts.nowMs();
  try {
    return await parts.gate.write(async (tx) => {
      if (!(await deleteRequest(tx, attempt))) return false;
      const made = makeGrant(parts, request, candidate, await nextEpoch(tx));
      await insertGrant(tx, {
        ...{ grant: made, attempt, nowMs, needsAssign: candidate.needsAssign },
        request: Buffer.from(codec('ResourceRequest').encode(request)),
      });
      await parts.effects.supersede(tx, `attempt/${waiting.key}/waiting/`);
      if (candidate.needsAssign) await enqueueAssign(parts, tx, made, request, candidate);
      else await enqueueGranted(parts, tx, made);
      return true;
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return false;
  }
}

function makeGrant(
  parts: Parts,
  request: ResourceRequest,
  candidate: Candidate,
  epoch: bigint,
): Grant {
  const { mediaServer, storageUnit, maxFragmentBytes, blockSizeBytes } = candidate;
  const made: Init<Grant> = {
    ...{ grantId: randomUUID(), attempt: request.attempt, epoch, mediaServer, storageUnit },
    ...{ mode: request.mode, drive: candidate.drive, volume: candidate.volume },
    counters: request.counters.map((counter) => counter.name),
    ...{ maxFragmentBytes, blockSizeBytes, grantedMs: BigInt(parts.nowMs()) },
  };
  // Through the codec once, so that a grant is alike in every field wherever it is read.
  return codec('Grant').decode(codec('Grant').encode(made));
}

type Tx = Parameters<typeof deleteRequest>[0];

async function enqueueAssign(
  parts: Parts,
  tx: Tx,
  made: Grant,
  request: ResourceRequest,
  candidate: Candidate,
): Promise<void> {
  const { grantId, mediaServer } = made;
  await parts.effects.enqueue(tx, {
    ...{ kind: 'assign', key: `grant/${grantId}/assign`, lane: `grant/${grantId}` },
    payload: {
      ...{ grantId, mediaServer, mediaId: candidate.volume?.mediaId ?? '' },
      ...{ volumeVersion: candidate.volumeVersion, retentionLevel: request.retentionLevel },
      pool: request.pool === '' ? 'NetBackup' : request.pool,
    },
  });
}

export async function enqueueGranted(parts: Parts, tx: Tx, made: Grant): Promise<void> {
  await parts.effects.enqueue(tx, {
    ...{ kind: 'granted', key: `grant/${made.grantId}/granted` },
    lane: `attempt/${attemptKey(made.attempt!)}`,
    payload: { grant: made },
  });
}

async function refuse(parts: Parts, plan: GrantPlan): Promise<void> {
  for (const { waiting, status } of plan.refused) {
    const attempt = waiting.request.attempt!;
    await parts.gate.write(async (tx) => {
      if (!(await deleteRequest(tx, attempt))) return;
      const lane = `attempt/${waiting.key}`;
      await parts.effects.supersede(tx, `${lane}/waiting/`);
      await parts.effects.enqueue(tx, {
        ...{ kind: 'refused', key: `${lane}/refused`, lane, payload: { attempt, status } },
      });
    });
  }
}

async function tellWaiting(
  parts: Parts,
  queued: ReadonlyMap<string, Queued>,
  plan: GrantPlan,
): Promise<void> {
  const atMs = parts.nowMs();
  const news = plan.blocked
    .map(({ waiting, reasons }) => ({ waiting, reason: inWords(reasons) }))
    .filter(({ waiting, reason }) => shouldTell(queued.get(waiting.key)?.told, reason, atMs));
  if (news.length === 0) return;
  await parts.gate.write(async (tx) => {
    for (const { waiting, reason } of news) {
      const attempt = waiting.request.attempt!;
      if (!(await saveTold(tx, attempt, { reason, atMs }))) continue;
      const lane = `attempt/${waiting.key}`;
      // Only the newest reason is worth telling.
      await parts.effects.supersede(tx, `${lane}/waiting/`);
      await parts.effects.enqueue(tx, {
        ...{ kind: 'waiting', key: `${lane}/waiting/${atMs}`, lane, payload: { attempt, reason } },
      });
    }
  });
}
