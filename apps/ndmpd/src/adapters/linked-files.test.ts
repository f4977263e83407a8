// Each further name finds the first one, as often as there are names; without a disk for the paths of many,
// the rest become copies, and the log hears of it once.

import type { BigIntStats } from 'node:fs';
import { expect, test } from 'vitest';
import { LinkedFiles } from './linked-files.ts';
import { SpillFile } from './spill-file.ts';

const file = (ino: bigint, nlink = 2n, dev = 1n): BigIntStats =>
  ({ ino, nlink, dev }) as unknown as BigIntStats;
const none = (why: string): void => expect.unreachable(why);

test('a file is there until the last of its names was met', () => {
  const links = new LinkedFiles(none);
  const [stats, path] = [file(7n, 3n), Buffer.from('first/name')];
  expect([links.has(stats), links.take(stats)]).toEqual([false, undefined]);
  links.add(stats, path, 5e12);
  expect([links.has(stats), links.isSent(stats)]).toEqual([true, true]);
  expect(links.take(stats)).toEqual({ path, offset: 5e12 });
  expect(links.take(stats)).toEqual({ path, offset: 5e12 });
  expect([links.has(stats), links.take(stats)]).toEqual([false, undefined]);
});

test('a name that only the base has is no data in the stream', () => {
  const links = new LinkedFiles(none);
  links.addUnsent(file(7n, 3n), Buffer.from('one'));
  links.addUnsent(file(7n, 3n), Buffer.from('two'));
  expect([links.has(file(7n)), links.isSent(file(7n))]).toEqual([true, false]);
  expect(links.take(file(7n))).toEqual({ path: Buffer.from('one'), offset: undefined });
  expect(links.has(file(7n))).toBe(false);
});

test('the same number on another device is another file', () => {
  const links = new LinkedFiles(none);
  links.add(file(7n, 2n, 1n), Buffer.from('one'), 0);
  expect([links.has(file(7n, 2n, 2n)), links.isSent(file(7n, 2n, 2n))]).toEqual([false, false]);
  links.add(file(7n, 2n, 2n), Buffer.from('two'), 512);
  expect(links.take(file(7n, 2n, 1n))?.path.toString()).toBe('one');
  expect(links.take(file(7n, 2n, 2n))?.path.toString()).toBe('two');
});

test('without a disk to spill to, what fits stays and the rest is told once', () => {
  const told: string[] = [];
  const links = new LinkedFiles((why) => told.push(why), new SpillFile('/nowhere'));
  const path = Buffer.alloc(1000, 'p');
  for (let i = 0n; i < 3000n; i += 1n) links.add(file(i), path, 512);
  expect(told).toEqual(['their paths cannot be kept (ENOENT)']);
  expect(links.take(file(0n))).toEqual({ path, offset: 512 });
  expect(links.take(file(2999n))).toBeUndefined();
});
