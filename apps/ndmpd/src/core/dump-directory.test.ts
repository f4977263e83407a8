// Lists of what directories held: written in pieces, read along or at random, whole in a header.

import { expect, test } from 'vitest';
import { dumpListOf, listedNames } from './dump-directory.ts';
import { type NameList, NameListBuilder } from './name-list.ts';
import { decodeHeader, decodePax } from './tar-decode.ts';
import { BLOCK_BYTES, encodeListed, encodeMember, type Member } from './tar-encode.ts';

function listOf(names: Iterable<string>): NameList {
  const builder = new NameListBuilder();
  for (const name of names) builder.add(name, name.startsWith('d') ? 'd' : 'f');
  return builder.finish();
}

test('a list has a letter and a name for each entry, in order', () => {
  const list = dumpListOf(listOf(['file', 'd\xff', 'a\nb']));
  expect(Buffer.concat([...(list?.pieces() ?? [])])).toEqual(
    Buffer.from('Ya\nb\0Dd\xff\0Yfile\0\0', 'latin1'),
  );
  expect([...(dumpListOf(listOf([]))?.pieces() ?? [])]).toEqual([Buffer.from('\0')]);
});

test('a long list is as long as it said, and comes in pieces', () => {
  const names = Array.from({ length: 200_000 }, (_, i) => `file ${i}`);
  const list = dumpListOf(listOf(names));
  const pieces = [...(list?.pieces() ?? [])];
  expect(pieces.reduce((sum, piece) => sum + piece.length, 0)).toBe(list?.bytes);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(100_000);
});

test.each([
  ['in order', 'Ya\0Db\0Nc\0Yd\0\0'],
  ['in another order', 'Yd\0Ya\0Nc\0Db\0\0'],
  ['with notes of renames', 'Xtmp\0Ya\0Rb\0Db\0Tzz\0Nc\0Yd\0\0'],
  ['cut off', 'Ya\0Db\0Nc\0Yd'],
])('names %s are found', (_what, text) => {
  const isListed = listedNames(Buffer.from(text));
  const found = ['0', 'a', 'aa', 'b', 'c', 'cc', 'd', 'zz'].filter(isListed);
  expect(found).toEqual(['a', 'b', 'c', 'd']);
});

test('headers around a list of any length are those with the list in them', () => {
  const path = Buffer.from('x'.repeat(150));
  const facts = { type: 'directory' as const, mode: 0o755, uid: 1, gid: 2, size: 0, mtimeNs: 5n };
  for (const length of [1, 2, 60, 75, 80, 440, 450, 452, 460, 470, 510, 512, 970, 980, 99_900]) {
    const dumpDirectory = Buffer.alloc(length, 'Y');
    const member: Member = { ...facts, path, dumpDirectory };
    const whole = encodeMember(member);
    const { before, after } = encodeListed({ ...facts, path }, length);
    expect(whole.equals(Buffer.concat([before, dumpDirectory, after]))).toBe(true);
    expect(whole.length % BLOCK_BYTES).toBe(0);
    const size = decodeHeader(whole.subarray(0, BLOCK_BYTES))?.size ?? 0;
    const records = decodePax(whole.subarray(BLOCK_BYTES, BLOCK_BYTES + size));
    expect(records.get('GNU.dumpdir')?.equals(dumpDirectory)).toBe(true);
    expect(records.get('path')?.toString()).toBe(`${path}/`);
    expect(decodeHeader(whole.subarray(-BLOCK_BYTES))?.flag).toBe('5');
  }
});
