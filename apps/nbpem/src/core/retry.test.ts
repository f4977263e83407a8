import { expect, test } from 'vitest';
import { HOUR_MS } from './policy.test-data.ts';
import { blockedUntilMs, decideRetry, type RetryFacts } from './retry.ts';

const NOW_MS = 1_790_000_000_000;
const SETTINGS = { triesMax: 2, triesPeriodMs: 12 * HOUR_MS, retryDelayMs: 600_000 };
const ago = (hours: number, code = 84) => ({ code, endedMs: NOW_MS - hours * HOUR_MS });
const decide = (facts: Partial<RetryFacts>) =>
  decideRetry(
    {
      ...{ code: 41, nowMs: NOW_MS, tries: [ago(0)], policyActive: true },
      ...{ closeMs: Number.POSITIVE_INFINITY, ...facts },
    },
    SETTINGS,
  );

test.each<[string, Partial<RetryFacts>, number]>([
  ['the delay goes before another try', {}, NOW_MS + 600_000],
  ['another tape may do: at once', { code: 84 }, NOW_MS],
  ['a success is not repeated', { code: 0 }, 0],
  ['a partial success is not repeated', { code: 1 }, 0],
  ['a cancel is final', { code: 150 }, 0],
  ['a configuration error is final', { code: 2006 }, 0],
  ['a code of a newer release may be tried again', { code: 9_999 }, NOW_MS + 600_000],
  ['two tries in twelve hours are enough', { tries: [ago(0), ago(11)] }, 0],
  ['an older try no longer counts', { tries: [ago(0), ago(13)] }, NOW_MS + 600_000],
  ['a good try begins the count anew', { tries: [ago(0), ago(1, 0), ago(2)] }, NOW_MS + 600_000],
  ['no try begins after the window', { closeMs: NOW_MS + 600_000 }, 0],
  ['an inactive policy tries nothing', { policyActive: false }, 0],
])('%s', (_name, facts, retryAtMs) => {
  expect(decide(facts).retryAtMs).toBe(retryAtMs);
});

test('the documented example: 18:00 and 20:00 failed, 23:00 waits, 06:30 runs', () => {
  const at = (hour: number) => NOW_MS + (hour - 18) * HOUR_MS;
  const tries = [18, 20].map((hour) => ({ code: 84, endedMs: at(hour) }));
  expect(blockedUntilMs(tries, at(23), SETTINGS)).toBe(at(30));
  expect(blockedUntilMs(tries, at(30.5), SETTINGS)).toBe(0);
  expect(blockedUntilMs([], at(23), SETTINGS)).toBe(0);
});
