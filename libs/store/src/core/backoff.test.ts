import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

const backoff = { firstMs: 200, capMs: 30_000 };

test('doubles, then stays at the cap', () => {
  const middle = [1, 2, 3, 9, 500].map((tries) => backoffMs(backoff, tries, 0.5));
  expect(middle).toEqual([200, 400, 800, 30_000, 30_000]);
});

test('is never more than a quarter off, for any number of tries', () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), random, (tries, r) => {
      const ms = backoffMs(backoff, tries, r);
      expect(ms).toBeGreaterThanOrEqual(150);
      expect(ms).toBeLessThanOrEqual(37_500);
    }),
  );
});
