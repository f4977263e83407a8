import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from './compare.ts';
import { makeTree } from './tree.ts';

const dir = mkdtempSync(join(tmpdir(), 'tapestry-tree-'));
const source = join(dir, 'source');
const SIZE = { files: 60, bytes: 400_000 };

beforeAll(() => makeTree(source, SIZE));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function copy(): string {
  const to = mkdtempSync(join(dir, 'copy-'));
  execFileSync('cp', ['-a', '--sparse=always', `${source}/.`, to]);
  return to;
}

test('a faithful copy has no difference, and all of it was looked at', () => {
  const result = compareTrees(source, copy());
  expect(result.differences).toEqual([]);
  expect(result.files).toBeGreaterThan(55);
  expect(result.others).toBe(3);
});

test('the same seed makes the same tree', () => {
  const again = join(dir, 'again');
  makeTree(again, SIZE);
  expect(
    compareTrees(source, again).differences.filter((text) => /contents|missing|size/.test(text)),
  ).toEqual([]);
});

const SPECIAL = 'special/original.txt';
test.each<[string, (copy: string) => void, RegExp]>([
  ['a missing file', (to) => rmSync(join(to, 'special/empty')), /empty: is missing/],
  ['a file too many', (to) => writeFileSync(join(to, 'special/new'), ''), /new: is too much/],
  ['a longer file', (to) => appendFileSync(join(to, SPECIAL), 'x'), /size is/],
  ['another mode', (to) => chmodSync(join(to, SPECIAL), 0o611), /mode is/],
  ['another time', (to) => utimesSync(join(to, SPECIAL), 5, 5), /modification time/],
  [
    'other contents of the same length',
    (to) => {
      const text = readFileSync(join(to, SPECIAL), 'utf8');
      writeFileSync(join(to, SPECIAL), text.replace('one', 'two'));
    },
    /other contents/,
  ],
  [
    'a link that points elsewhere',
    (to) => {
      rmSync(join(to, 'special/dangling link'));
      symlinkSync('/elsewhere/at/all', join(to, 'special/dangling link'));
    },
    /points elsewhere/,
  ],
  [
    'a hard link that became a file of its own',
    (to) => {
      rmSync(join(to, 'special/hard link 1.txt'));
      writeFileSync(join(to, 'special/hard link 1.txt'), 'one file, three names\n');
    },
    /number of names/,
  ],
  [
    'a hole that was filled',
    (to) => {
      const file = join(to, 'special/sparse.img');
      const text = readFileSync(file);
      truncateSync(file, 0);
      writeFileSync(file, text);
    },
    /lost its holes/,
  ],
])('%s is found', (_what, spoil, expected) => {
  const to = copy();
  spoil(to);
  expect(compareTrees(source, to).differences.join('\n')).toMatch(expected);
});
