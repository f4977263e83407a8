import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDateTime, formatDuration, parseDateTime, parseDuration } from './date-time.ts';
import '../test/utc.ts';

test('what is printed can be typed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 86_400, max: 4_000_000_000 }), (epochS) => {
      expect(parseDateTime(formatDateTime(epochS))).toBe(epochS);
    }),
  );
});

test.each([
  ['1/2/25', 1_735_776_000],
  ['01/02/2025 03:04', 1_735_787_040],
  ['13/01/2025', undefined],
  ['04/31/2025', undefined],
  ['01/01/2025 24:00:00', undefined],
  ['2025-01-01', undefined],
])('%s is %s', (text, expected) => {
  expect(parseDateTime(text)).toBe(expected);
});

test.each([
  ['90', 90],
  ['01:30', 90],
  ['26:00:01', 93_601],
  ['a', undefined],
  ['-1', undefined],
])('a duration %s has %s seconds', (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test('durations are hours, minutes and seconds', () => {
  expect(formatDuration(93_601)).toBe('026:00:01');
  expect(formatDuration(0n)).toBe('000:00:00');
});

test('0 stands for never', () => expect(formatDateTime(0n)).toBe('-'));
