// What is tried again, and when? So many failed tries in so many hours, a delay between two, and never what no repeat
// can cure. A try that went well begins the count anew.

import { STATUS, statusByCode } from '@tapestry/status';

export interface RetrySettings {
  /** Schedule backup attempts: so many tries … */
  readonly triesMax: number;
  /** … per this period. */
  readonly triesPeriodMs: number;
  readonly retryDelayMs: number;
}

/** A try of a target that ended, in any of its jobs. */
export interface EndedTry {
  readonly code: number;
  readonly endedMs: number;
}

export interface RetryFacts {
  readonly code: number;
  readonly nowMs: number;
  /** The target's tries, this one included, in any order. */
  readonly tries: readonly EndedTry[];
  /** False when the policy is gone or inactive. */
  readonly policyActive: boolean;
  /** When the window closes in which the job may start; Infinity for a job that knows none. */
  readonly closeMs: number;
}

export interface RetryDecision {
  /** 0 for no further try. */
  readonly retryAtMs: number;
  readonly reason: string;
}

export function decideRetry(facts: RetryFacts, settings: RetrySettings): RetryDecision {
  const { code, nowMs } = facts;
  if (isSuccess(code)) return no('the job ended well');
  const name = statusByCode(code);
  const retry = name === undefined ? 'later' : STATUS[name].retry;
  if (retry === 'never') return no(`status ${code} is not cured by another try`);
  if (!facts.policyActive) return no('the policy is not active any more');
  const { triesMax, triesPeriodMs } = settings;
  const failed = failures(facts.tries, nowMs, triesPeriodMs).length;
  if (failed >= triesMax) {
    return no(`${failed} failed tries within ${triesPeriodMs / 3_600_000} hours are enough`);
  }
  const retryAtMs = retry === 'now' ? nowMs : nowMs + settings.retryDelayMs;
  if (retryAtMs >= facts.closeMs) return no('the window closes before another try');
  return { retryAtMs, reason: `try ${failed + 1} of ${triesMax}` };
}

/** Before this time a target that failed too often is left alone; 0 when it may run. */
export function blockedUntilMs(
  tries: readonly EndedTry[],
  nowMs: number,
  { triesMax, triesPeriodMs }: RetrySettings,
): number {
  const failed = failures(tries, nowMs, triesPeriodMs);
  const oldestCounted = failed[triesMax - 1];
  return oldestCounted === undefined ? 0 : oldestCounted.endedMs + triesPeriodMs;
}

/** Failed tries of the period since the last good one, newest first. */
function failures(tries: readonly EndedTry[], nowMs: number, periodMs: number): EndedTry[] {
  const newest = tries.toSorted((a, b) => b.endedMs - a.endedMs);
  const good = newest.findIndex((each) => isSuccess(each.code));
  const since = good < 0 ? newest : newest.slice(0, good);
  return since.filter((each) => each.endedMs > nowMs - periodMs);
}

export function isSuccess(code: number): boolean {
  return code === STATUS.ok.code || code === STATUS.partial.code;
}

function no(reason: string): RetryDecision {
  return { retryAtMs: 0, reason };
}
