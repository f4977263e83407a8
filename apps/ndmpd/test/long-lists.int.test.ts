// A folder whose list of names is tens of megabytes long: GNU tar takes the header, and a recovery removes
// exactly what the list does not name.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dumpListOf } from '../src/core/dump-directory.ts';
import { type NameList, NO_NAMES } from '../src/core/name-list.ts';
import { END_OF_ARCHIVE, encodeListed } from '../src/core/tar-encode.ts';
import { makeWorkspace } from './harness.ts';
import { takeImage } from './in-process.ts';

const workspace = makeWorkspace();
const home = process.cwd();
const target = workspace.file('target');
const COUNT = 300_000;

beforeAll(() => {
  mkdirSync(target);
  process.chdir(workspace.path);
});
afterAll(() => {
  process.chdir(home);
  workspace.remove();
});

const nameOf = (i: number): string => `${String(i).padStart(8, '0')}${'x'.repeat(240)}`;

const listOf = (length: number): NameList => ({
  ...NO_NAMES,
  length,
  name: nameOf,
  type: () => 'file',
});

test('a list beyond 64 MiB is written, read and acted on', async () => {
  const list = dumpListOf(listOf(COUNT));
  if (list === undefined) throw new Error('too long');
  expect(list.bytes).toBeGreaterThan(64 * 1024 * 1024);
  const facts = { mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
  const member = { type: 'directory' as const, path: Buffer.alloc(0), ...facts };
  const { before, after } = encodeListed(member, list.bytes);
  const image = Buffer.concat([before, ...list.pieces(), after, END_OF_ARCHIVE]);
  const listed = execFileSync('tar', ['-tf', '-'], { input: image, encoding: 'latin1' });
  expect(listed).toBe('./\n');
  const kept = [0, 7, 4711, COUNT - 1].map(nameOf);
  for (const name of [...kept, nameOf(COUNT), '0', 'zz']) writeFileSync(`${target}/${name}`, '');
  const { logs, elements } = await takeImage(image, target, { removeGone: true });
  expect([logs, elements]).toEqual([[], [['', 0]]]);
  expect(readdirSync(target).sort()).toEqual(kept);
});

test('beyond 256 MiB there is no list', () => {
  expect(dumpListOf(listOf(1_050_000))).toBeDefined();
  expect(dumpListOf(listOf(1_100_000))).toBeUndefined();
});
