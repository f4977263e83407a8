// The table of linked files against a plain map, over any sequence of calls.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LinkTable } from './link-table.ts';

/** Few enough to be met again, in slots next to each other and with high words that differ. */
const inode = fc.oneof(
  fc.bigInt({ min: 0n, max: 40n }),
  fc.bigInt({ min: 0n, max: 9n }).map((n) => (n << 32n) | 7n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const entry = fc.record({
  value: fc.nat(0xffff_ffff),
  isMarked: fc.boolean(),
  namesLeft: fc.integer({ min: 1, max: 5 }),
});
const step = fc.record({ inode, entry: fc.option(entry, { nil: undefined }) });

test('holds what a map would hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 500, size: 'max' }), (steps) => {
      const table = new LinkTable();
      const model = new Map<bigint, unknown>();
      for (const { inode, entry } of steps) {
        if (entry === undefined) {
          table.delete(inode);
          model.delete(inode);
        } else {
          table.set(inode, entry);
          model.set(inode, entry);
        }
        expect(table.size).toBe(model.size);
        expect(table.get(inode)).toEqual(model.get(inode));
      }
      for (const [inode, entry] of model) expect(table.get(inode)).toEqual(entry);
    }),
  );
});

test('holds many, and is empty again when all are gone', () => {
  const table = new LinkTable();
  const count = 100_000n;
  const nth = (i: bigint) => ({ value: Number(i), isMarked: false, namesLeft: 1 });
  for (let i = 0n; i < count; i += 1n) table.set(i * 8n, nth(i));
  expect(table.size).toBe(Number(count));
  for (let i = 0n; i < count; i += 1n) {
    expect(table.get(i * 8n)).toEqual(nth(i));
    table.delete(i * 8n);
  }
  expect(table.size).toBe(0);
});
