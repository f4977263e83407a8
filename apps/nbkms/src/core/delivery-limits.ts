// How many keys a media server may ask for: enough for its drives, too few to carry the whole store away unseen.

export interface HostDemand {
  /** What is left of the burst. */
  readonly tokens: number;
  readonly filledMs: number;
  /** Tags asked for, with the time of the first asking in this hour. */
  readonly tags: ReadonlyMap<string, number>;
  /** Times of refused askings within the last minute. */
  readonly misses: readonly number[];
  readonly penaltyEndsMs: number;
}

const PER_SECOND = 20;
const BURST = 200;
const TAGS_AN_HOUR_MAX = 500;
export const TAGS_AN_HOUR_ALERT = 250;
const MISSES_A_MINUTE_MAX = 10;
const PENALTY_MS = 5 * 60_000;
const HOUR_MS = 60 * 60_000;
const MINUTE_MS = 60_000;

export function noDemand(nowMs: number): HostDemand {
  return { tokens: BURST, filledMs: nowMs, tags: new Map(), misses: [], penaltyEndsMs: 0 };
}

export type Admission =
  | { readonly kind: 'admitted'; readonly demand: HostDemand; readonly tagsThisHour: number }
  | { readonly kind: 'refused'; readonly demand: HostDemand; readonly why: string };

/** One asking. `tag` is empty where the asker names a group. */
export function admit(before: HostDemand, tag: string, nowMs: number): Admission {
  const filled = before.tokens + ((nowMs - before.filledMs) / 1_000) * PER_SECOND;
  const tags = new Map([...before.tags].filter(([, firstMs]) => nowMs - firstMs < HOUR_MS));
  const demand = { ...before, tokens: Math.min(BURST, filled), filledMs: nowMs, tags };
  if (nowMs < demand.penaltyEndsMs) {
    const seconds = Math.ceil((demand.penaltyEndsMs - nowMs) / 1_000);
    return { kind: 'refused', demand, why: `too many refused requests: wait ${seconds} s` };
  }
  if (demand.tokens < 1) return { kind: 'refused', demand, why: 'too many requests a second' };
  if (tag !== '' && !tags.has(tag)) {
    if (tags.size >= TAGS_AN_HOUR_MAX) {
      return { kind: 'refused', demand, why: `${TAGS_AN_HOUR_MAX} keys in an hour are enough` };
    }
    tags.set(tag, nowMs);
  }
  return {
    ...{ kind: 'admitted', tagsThisHour: tags.size },
    demand: { ...demand, tokens: demand.tokens - 1 },
  };
}

/** It asked for what it may not have, or for what there is not. */
export function noteMiss(before: HostDemand, nowMs: number): HostDemand {
  const misses = [...before.misses.filter((at) => nowMs - at < MINUTE_MS), nowMs];
  if (misses.length <= MISSES_A_MINUTE_MAX) return { ...before, misses };
  return { ...before, misses: [], penaltyEndsMs: nowMs + PENALTY_MS };
}
