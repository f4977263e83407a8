import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ALWAYS, DAY_MS, daily, HOUR_MS } from './policy.test-data.ts';
import { isOpen, nextWindow } from './windows.ts';

const UTC = () => 0;
/** Sunday, 2 August 2026, 00:00 UTC. */
const SUNDAY_MS = Date.UTC(2026, 7, 2);
const NEVER = Array.from({ length: 7 }, () => ({ startS: 0, durationS: 0 }));

test('a window of no length never opens', () => {
  expect(nextWindow(NEVER, SUNDAY_MS, UTC)).toBeUndefined();
  expect(nextWindow([], SUNDAY_MS, UTC)).toBeUndefined();
});

test('windows that touch are one, and seven whole days never close', () => {
  const window = nextWindow(ALWAYS, SUNDAY_MS + 5, UTC);
  expect(window?.closeMs).toBe(Number.POSITIVE_INFINITY);
});

test('a window past midnight is open on the next day, and belongs to the day it began', () => {
  const sunday22 = NEVER.with(0, { startS: 22 * 3_600, durationS: 4 * 3_600 });
  const open = { openMs: SUNDAY_MS + 22 * HOUR_MS, closeMs: SUNDAY_MS + 26 * HOUR_MS };
  for (const atMs of [0, 22 * HOUR_MS, 25 * HOUR_MS]) {
    expect(nextWindow(sunday22, SUNDAY_MS + atMs, UTC)).toEqual(open);
  }
  expect(isOpen(sunday22, SUNDAY_MS + 21 * HOUR_MS, UTC)).toBe(false);
  expect(isOpen(sunday22, SUNDAY_MS + 25 * HOUR_MS, UTC)).toBe(true);
  expect(nextWindow(sunday22, open.closeMs, UTC)?.openMs).toBe(open.openMs + 7 * DAY_MS);
});

test('times are wall-clock times of the server', () => {
  const berlin = () => 2 * HOUR_MS;
  const window = nextWindow(daily(22, 2), SUNDAY_MS, berlin);
  expect(window?.openMs).toBe(SUNDAY_MS + 20 * HOUR_MS);
});

test('on the day the clock is changed a window opens at its wall-clock time', () => {
  // Europe: 25 October 2026, 03:00 summer time becomes 02:00.
  const change = Date.UTC(2026, 9, 25, 1);
  const offsetAt = (ms: number) => (ms < change ? 2 : 1) * HOUR_MS;
  const window = nextWindow(daily(22, 2), Date.UTC(2026, 9, 25, 12), offsetAt);
  expect(window?.openMs).toBe(Date.UTC(2026, 9, 25, 21));
});

test('what is found is open then, or opens later, and never overlaps its forerunner', () => {
  const window = fc.record({ startS: fc.nat(86_399), durationS: fc.nat(3 * 86_400) });
  fc.assert(
    fc.property(
      fc.array(window, { minLength: 7, maxLength: 7 }),
      fc.nat(14 * DAY_MS),
      fc.integer({ min: -12, max: 14 }),
      (windows, after, zone) => {
        const fromMs = SUNDAY_MS + after;
        const found = nextWindow(windows, fromMs, () => zone * HOUR_MS);
        if (found === undefined) return windows.every((each) => each.durationS === 0);
        return found.closeMs > fromMs && found.openMs < found.closeMs;
      },
    ),
  );
});
