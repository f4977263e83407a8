import { expect, test } from 'vitest';
import { offsetOf } from './time-zone.ts';

const HOUR_MS = 3_600_000;

test('offsets follow the zone, summer and winter', () => {
  const berlin = offsetOf('Europe/Berlin');
  expect(berlin(Date.UTC(2026, 0, 15, 12, 7))).toBe(HOUR_MS);
  expect(berlin(Date.UTC(2026, 6, 15))).toBe(2 * HOUR_MS);
  expect(offsetOf('UTC')(Date.UTC(2026, 6, 15, 0, 0, 1))).toBe(0);
  expect(offsetOf('Asia/Kolkata')(Date.UTC(2026, 6, 15))).toBe(5.5 * HOUR_MS);
});

test('a zone that does not exist is refused', () => {
  expect(() => offsetOf('Atlantis/Capital')).toThrow(/^20 /);
});
