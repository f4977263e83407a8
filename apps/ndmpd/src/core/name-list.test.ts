// Lists of names: in the order of their bytes whatever they are, and not larger than they must be.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { directoriesOf, type NameList, NameListBuilder, type TypeLetter } from './name-list.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const LONG_LIST = 5000;

/** The list of these names; `padding` more of them make it a long one. */
function listOf(names: readonly string[], padding = 0): NameList {
  const builder = new NameListBuilder();
  for (const [i, name] of names.entries()) builder.add(name, i % 3 === 0 ? 'd' : 'f');
  for (let i = 0; i < padding; i += 1) builder.add(`\xff\xff${i}`, 'l');
  return builder.finish();
}

const namesIn = (list: NameList): string[] =>
  Array.from({ length: list.length }, (_, i) => list.name(i));

const byte = fc.oneof(fc.constantFrom(1, 0x61, 0x62, 0xff), fc.integer({ min: 1, max: 255 }));
const nameArbitrary = fc
  .array(byte, { minLength: 1, maxLength: 20, size: 'max' })
  .map((bytes) => String.fromCharCode(...bytes));
const namesArbitrary = fc.uniqueArray(nameArbitrary, { maxLength: 300, size: 'max' });

test.each([0, LONG_LIST])('names of any bytes come in their order, beside %i others', (padding) => {
  fc.assert(
    fc.property(namesArbitrary, (names) => {
      const found = namesIn(listOf(names, padding)).filter((name) => names.includes(name));
      const sorted = names.map((name) => Buffer.from(name, 'latin1')).sort(Buffer.compare);
      expect(found).toEqual(sorted.map((name) => name.toString('latin1')));
    }),
    { numRuns: padding === 0 ? 100 : 20 },
  );
});

test.each([0, LONG_LIST])('types stay with their names, beside %i others', (padding) => {
  const letters: TypeLetter[] = ['f', 'd', 'l', 'p', 'c', 'b', 's', '?'];
  const builder = new NameListBuilder();
  for (const letter of letters) builder.add(letter, letter);
  for (let i = 0; i < padding; i += 1) builder.add(`padding ${i}`, 'f');
  const list = builder.finish();
  const types = (): unknown[] =>
    letters.map((letter) => list.type(namesIn(list).indexOf(letter)) ?? 'unknown');
  expect(types()).toEqual(
    ['file', 'directory', 'symlink', 'fifo', 'char', 'block', 'socket'].concat('unknown'),
  );
  list.markDirectory(namesIn(list).indexOf('?'));
  expect(types().at(-1)).toBe('directory');
  expect(namesIn(directoriesOf(list))).toEqual(['?', 'd']);
});

test('names with long heads in common, and very long ones', () => {
  const names = Array.from({ length: LONG_LIST }, (_, i) => 'x'.repeat(i % 255) + i);
  names.push('y'.repeat(4000));
  const list = listOf(names);
  expect(namesIn(list)).toEqual([...names].sort());
});

test('a long list takes its bytes and few more', () => {
  const count = 300_000;
  const held = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  const builder = new NameListBuilder();
  for (let i = 0; i < count; i += 1) builder.add(String(i).padStart(20, '0'), 'f');
  const list = builder.finish();
  const bytesAName = (held() - before) / count;
  expect(list.name(count - 1)).toBe(String(count - 1).padStart(20, '0'));
  expect(bytesAName).toBeLessThan(20 + 7 + 8);
});
