// What a backup saw is what the next one finds, however many there were.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DirectoryRecord, DirectorySet } from './directory-set.ts';

const print = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

test('what was added is found, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(print, { maxLength: 50 }), fc.array(print), (added, others) => {
      const record = new DirectoryRecord();
      for (const one of added) record.add(one);
      const set = new DirectorySet(record.toBytes());
      for (const one of added) expect(set.has(one)).toBe(true);
      for (const one of others) expect(set.has(one)).toBe(added.includes(one));
    }),
  );
});

test.each([0, 16_383, 16_384, 16_385, 100_000])('%i directories take eight bytes each', (count) => {
  const record = new DirectoryRecord();
  const nth = (i: number): bigint => BigInt.asUintN(64, BigInt(i) * 0x9e37_79b9_7f4a_7c15n);
  for (let i = 0; i < count; i += 1) record.add(nth(i));
  const bytes = record.toBytes();
  expect(bytes.length).toBe(8 * count);
  const set = new DirectorySet(bytes);
  for (let i = 0; i < count; i += 97) expect(set.has(nth(i))).toBe(true);
  for (let i = count; i < count + 100; i += 1) expect(set.has(nth(i))).toBe(false);
});
