// The rounds that give out: woken by whatever may let a request go, and by time. One at a time. nbemm is asked for the
// needs that could be met now, not for all that wait.

import { randomUUID } from 'node:crypto';
import {
  type Attempt,
  codec,
  type Grant,
  type GrantRef,
  type Init,
  type ResourceRequest,
} from '@tapestry/contracts';
import { asStatusError } from '@tapestry/status';
import { isUniqueViolation } from '@tapestry/store';
import { grantOf, insertGrant, loadHoldings, lockAttempt, nextEpoch } from './adapters/ledger.ts';
import type { Tx } from './adapters/queue.ts';
import { readSetting, readSettingHeld } from './adapters/settings.ts';
import type { Holdings, Pick } from './core/books.ts';
import type { Offer } from './core/choice.ts';
import { attemptKey, isWrite, poolOf, type Waiting } from './core/need.ts';
import { type Given, type Plan, plan } from './core/plan.ts';
import { OfferBook } from './offers.ts';
import type { Parts } from './parts.ts';

/** Offers asked for at once, and how often in one round: more wait for the next. */
const MISSING_MAX = 32;
const ASKS_MAX = 8;

export interface RoundResult {
  readonly granted: number;
  readonly refused: number;
}

/** Why a request waits, as the last round saw it; undefined: it has not been looked at. */
export type Reasons = (waiting: Waiting) => readonly string[] | undefined;

export interface Evaluation {
  /** One round over the queue. */
  round(): Promise<RoundResult>;
  readonly reasons: Reasons;
  /** nbemm has changed something. */
  changed(what: string): void;
}

export function makeEvaluation(parts: Parts): Evaluation {
  const offers = new OfferBook();
  let reasons: Reasons = () => undefined;
  return {
    reasons: (waiting) => reasons(waiting),
    changed: (what) => offers.forget(what),
    round: async () => {
      const { requests } = parts.queue;
      if (requests.size === 0) return { granted: 0, refused: 0 };
      const suspended = await readSetting(parts.store.db, 'suspended');
      if (suspended !== undefined) {
        const why = [`nothing is given out: ${suspended}`];
        reasons = () => why;
        return { granted: 0, refused: 0 };
      }
      const startedMs = performance.now();
      const found = await planWithOffers(parts, offers, await loadHoldings(parts.store.db));
      reasons = (waiting) => found.reasonsOf(waiting, requests.lineOf(waiting.key));
      parts.measured((performance.now() - startedMs) / 1_000);
      const granted = await giveAll(parts, found);
      await refuse(parts, found);
      // Somebody was quicker than the plan: the books have changed, look again.
      if (granted < found.grants.length) parts.wake();
      return { granted, refused: found.refused.length };
    },
  };
}

/** Plans, asks nbemm for the needs that turned up, and plans again until nothing is missing, or enough was asked. */
async function planWithOffers(parts: Parts, offers: OfferBook, holdings: Holdings): Promise<Plan> {
  const nowMs = parts.nowMs();
  const { ageMs } = parts.limits;
  const { requests: queue } = parts.queue;
  const inUse = holdings.held.filter(({ kind }) => kind === 'volume').map(({ name }) => name);
  offers.beginRound(nowMs);
  for (let asks = 0; ; asks++) {
    const found = plan({ queue, holdings, offers, nowMs, ageMs, missingMax: MISSING_MAX });
    if (found.missing.size === 0) return found;
    if (asks === ASKS_MAX) {
      parts.wake();
      return found;
    }
    let away: Offer | undefined;
    const askOne = async ([need, request]: [string, ResourceRequest]): Promise<void> => {
      const answer = away ?? (await ask(parts, request, inUse));
      const lasting = !('away' in answer);
      if (!lasting) away = answer;
      offers.set(need, request, answer, lasting);
    };
    const [first, ...rest] = found.missing;
    await askOne(first!);
    await Promise.all(rest.map(askOne));
  }
}

async function ask(
  parts: Parts,
  request: ResourceRequest,
  inUseMediaIds: string[],
): Promise<Offer & { readonly away?: true }> {
  const nowMs = BigInt(parts.nowMs());
  try {
    return await parts.neighbours.nbemm.Evaluate({ request, nowMs, inUseMediaIds });
  } catch (error) {
    const { detail } = asStatusError(error);
    const reasons = [`nbemm could not be asked: ${detail}`];
    return { choices: [], reasons, refusal: null, selection: 'MDS_SELECTION_IN_ORDER', away: true };
  }
}

/** @returns how many were given */
async function giveAll(parts: Parts, { grants }: Plan): Promise<number> {
  /** Groups that began in this round: key of the request → grant. */
  const begun = new Map<string, string>();
  let given = 0;
  for (const each of grants) {
    const made = await give(parts, each, begun);
    if (made === undefined) continue;
    begun.set(each.waiting.key, made);
    given += 1;
  }
  return given;
}

/** All grants of a request in one transaction. Undefined: the request is gone, or something is taken after all. */
async function give(
  parts: Parts,
  { waiting, picks }: Given,
  begun: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const { request } = waiting;
  const attempt = request.attempt!;
  try {
    return await parts.gate.write(async (tx) => {
      // Once an operator is told that nothing is given out, nothing is: a round that was under way included.
      if ((await readSettingHeld(tx, 'suspended')) !== undefined) return undefined;
      if (!(await parts.queue.delete(tx, attempt))) return undefined;
      const needsAssign = picks.some(({ volume }) => volume?.needsAssign === true);
      const blob = Buffer.from(codec('ResourceRequest').encode(request));
      let first: Grant | undefined;
      for (const [part, pick] of picks.entries()) {
        const group = pick.join === undefined ? '' : (begun.get(pick.join.id) ?? pick.join.id);
        const made = await makeGrant(parts, tx, { request, pick, part, group });
        first ??= made;
        await insertGrant(tx, {
          ...{ grant: made, attempt, part, request: blob, pool: poolOf(pick.need.request) },
          ...{ retentionLevel: pick.need.request.retentionLevel, mpxMax: mpxMax(request, pick) },
          ...{ state: needsAssign ? 'assigning' : 'active', nowMs: parts.nowMs() },
          needsAssign: pick.volume?.needsAssign ?? false,
        });
        if (pick.volume?.needsAssign) await enqueueAssign(parts, tx, made, pick);
      }
      await parts.effects.supersede(tx, `attempt/${waiting.key}/waiting/`);
      if (!needsAssign) await enqueueGranted(parts, tx, attempt);
      return first!.grantId;
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return undefined;
  }
}

/** Under which the drive of a group is mounted: the grant that began it. */
function mountOf({ mpxMount, attempt, grantId, epoch }: Grant): GrantRef {
  return mpxMount ?? { attempt, grantId, epoch };
}

function mpxMax(request: ResourceRequest, { option, join, need, drive }: Pick): number {
  if (join !== undefined) return join.max;
  if (drive === null) return 1;
  return isWrite(need.request) ? Math.max(1, Math.min(option.maxMpx, request.maxMpx)) : 1;
}

interface GrantFacts {
  readonly request: ResourceRequest;
  readonly pick: Pick;
  readonly part: number;
  /** The group that it joins, or empty. */
  readonly group: string;
}

async function makeGrant(parts: Parts, tx: Tx, facts: GrantFacts): Promise<Grant> {
  const { request, pick, part, group } = facts;
  const { option, need } = pick;
  const { mediaServer, storageUnit, maxFragmentBytes, blockSizeBytes, diskPath } = option;
  const shared = group === '' ? undefined : await sharedGrant(tx, group);
  // What a request counts for is counted once, whatever it holds.
  const counters = [...(part === 0 ? request.counters : []), ...option.counters];
  const made: Init<Grant> = {
    ...{ grantId: randomUUID(), attempt: request.attempt, epoch: await nextEpoch(tx) },
    ...{ mediaServer: shared?.mediaServer ?? mediaServer, storageUnit, diskPath },
    ...{ mode: need.request.mode, drive: shared?.drive ?? pick.drive },
    ...{ volume: shared?.volume ?? pick.volume?.volume ?? null, mpxGroup: group },
    ...{
      maxMpx: mpxMax(request, pick),
      volumeNumber: shared?.volumeNumber ?? 0,
      mpxMount: shared && mountOf(shared),
    },
    counters: counters.map((counter) => counter.name),
    ...{ maxFragmentBytes, blockSizeBytes, grantedMs: BigInt(parts.nowMs()) },
    diskHighWaterPercent: option.diskHighWaterPercent,
    diskLowWaterPercent: option.diskLowWaterPercent,
  };
  // Through the codec once, so that a grant is alike in every field wherever it is read.
  return codec('Grant').decode(codec('Grant').encode(made));
}

async function sharedGrant(tx: Tx, groupId: string): Promise<Grant | undefined> {
  const row = await tx
    .selectFrom('grants')
    .selectAll()
    .where('group_id', '=', groupId)
    .where('state', '=', 'active')
    .forUpdate()
    .executeTakeFirst();
  return row === undefined ? undefined : grantOf(row);
}

async function enqueueAssign(parts: Parts, tx: Tx, made: Grant, pick: Pick): Promise<void> {
  const { grantId, mediaServer } = made;
  const { request } = pick.need;
  await parts.effects.enqueue(tx, {
    ...{ kind: 'assign', key: `grant/${grantId}/assign`, lane: `grant/${grantId}` },
    payload: {
      ...{ grantId, mediaServer, mediaId: made.volume?.mediaId ?? '', pool: poolOf(request) },
      ...{ volumeVersion: pick.volume?.version ?? 0n, retentionLevel: request.retentionLevel },
    },
  });
}

/** Tells nbjm of all grants of an attempt, as they stand in the books. */
export async function enqueueGranted(parts: Parts, tx: Tx, attempt: Attempt): Promise<void> {
  const [first, ...more] = (await lockAttempt(tx, attempt)).map(grantOf);
  if (first === undefined) return;
  await parts.effects.enqueue(tx, {
    ...{ kind: 'granted', key: `grant/${first.grantId}/granted` },
    lane: `attempt/${attemptKey(attempt)}`,
    payload: { grant: { ...first, more } },
  });
}

async function refuse(parts: Parts, { refused }: Plan): Promise<void> {
  for (const { waiting, status } of refused) {
    const attempt = waiting.request.attempt!;
    await parts.gate.write(async (tx) => {
      if (!(await parts.queue.delete(tx, attempt))) return;
      const lane = `attempt/${waiting.key}`;
      await parts.effects.supersede(tx, `${lane}/waiting/`);
      await parts.effects.enqueue(tx, {
        ...{ kind: 'refused', key: `${lane}/refused`, lane, payload: { attempt, status } },
      });
    });
  }
}
