import fc from 'fast-check';
import { expect, test } from 'vitest';
import { takeTurns } from './turns.ts';

test('nobody gets more than it has, nobody gets two more than another who still has some', () => {
  const waiting = fc.array(fc.nat(20), { maxLength: 32 });
  fc.assert(
    fc.property(waiting, fc.nat(40), (has, most) => {
      const taken = takeTurns(has, most);
      const sum = taken.reduce((a, b) => a + b, 0);
      expect(sum).toBe(
        Math.min(
          most,
          has.reduce((a, b) => a + b, 0),
        ),
      );
      const hungry = has.flatMap((n, i) => (taken[i]! < n ? [taken[i]!] : []));
      for (const [i, n] of taken.entries()) {
        expect(n).toBeLessThanOrEqual(has[i]!);
        for (const other of hungry) expect(n).toBeLessThanOrEqual(other + 1);
      }
    }),
  );
});
