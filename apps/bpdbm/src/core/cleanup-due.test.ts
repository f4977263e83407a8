import { expect, test } from 'vitest';
import { cleanupIsDue } from './cleanup-due.ts';

const TIMES = { everyMs: 1_000, retryMs: 100, firstMs: 10 };

test.each([
  [undefined, 9, false],
  [undefined, 10, true],
  [{ endedMs: 0, ok: true }, 999, false],
  [{ endedMs: 0, ok: true }, 1_000, true],
  [{ endedMs: 0, ok: false }, 99, false],
  [{ endedMs: 0, ok: false }, 100, true],
])('after %o at %i: due is %s', (last, nowMs, due) => {
  expect(cleanupIsDue(last, { startedMs: 0, nowMs }, TIMES)).toBe(due);
});

test('a start in the past does not bring the next one forward', () => {
  const last = { endedMs: 5_000, ok: true };
  expect(cleanupIsDue(last, { startedMs: 5_900, nowMs: 5_950 }, TIMES)).toBe(false);
  expect(cleanupIsDue(last, { startedMs: 5_995, nowMs: 6_004 }, TIMES)).toBe(false);
  expect(cleanupIsDue(last, { startedMs: 5_995, nowMs: 6_005 }, TIMES)).toBe(true);
});
