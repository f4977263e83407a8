// Attempts to read or write outside an export: by links in the tree, by names in the image, by mounts,
// and by a process that swaps directories for links while a backup or a recovery works in them.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { RECOVERY_STATUS } from '@tapestry/ndmp';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { END_OF_ARCHIVE, encodeMember, type Member } from '../src/core/tar-encode.ts';
import { makeWorkspace } from './harness.ts';
import { element, makeImage, takeImage } from './in-process.ts';

const workspace = makeWorkspace();
const home = process.cwd();
const source = workspace.file('source');
const target = workspace.file('target');
const outside = workspace.file('outside');
const SECRET = 'not for export';
const ROUNDS = 40;
let swapper: ChildProcess | undefined;

beforeEach(() => {
  process.chdir(workspace.path);
  for (const root of [source, target, outside]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
  writeFileSync(`${outside}/secret`, SECRET);
  mkdirSync(`${outside}/sub`);
  writeFileSync(`${outside}/sub/secret`, SECRET);
});
afterEach(() => {
  swapper?.kill('SIGKILL');
  swapper = undefined;
});
afterAll(() => {
  process.chdir(home);
  workspace.remove();
});

/** Puts a link in the place of a directory and takes it away again, for as long as it lives. */
async function swap(directory: string, link: string): Promise<void> {
  const script = `
    const { renameSync, symlinkSync } = require('node:fs');
    const [directory, link] = process.argv.slice(1);
    symlinkSync(link, directory + '.link');
    console.log('ready');
    for (;;) {
      try {
        renameSync(directory, directory + '.real');
        renameSync(directory + '.link', directory);
        renameSync(directory, directory + '.link');
        renameSync(directory + '.real', directory);
      } catch {}
    }`;
  swapper = spawn(process.execPath, ['-e', script, directory, link], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve) => swapper?.stdout?.once('data', () => resolve()));
}

const snapshotOf = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stats = lstatSync(`${root}/${name}`);
      const text = stats.isFile() ? readFileSync(`${root}/${name}`, 'utf8') : '';
      return `${name} ${stats.mode} ${stats.uid} ${stats.nlink} ${stats.mtimeMs} ${text}`;
    });

function imageOf(...members: (Partial<Member> & Pick<Member, 'type'> & { at: string })[]): Buffer {
  const parts = members.map(({ at, ...member }) => {
    const facts = { mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
    return encodeMember({ path: Buffer.from(at), ...facts, ...member });
  });
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

test('a backup does not follow a directory that becomes a link while it walks', async () => {
  for (const name of ['a', 'b', 'victim', 'z']) {
    mkdirSync(`${source}/${name}/sub`, { recursive: true });
    writeFileSync(`${source}/${name}/sub/secret`, 'mine');
    writeFileSync(`${source}/${name}/secret`, 'mine');
  }
  await swap(`${source}/victim`, outside);
  for (let i = 0; i < ROUNDS; i += 1) {
    const { image } = await makeImage(source);
    expect(image.includes(SECRET)).toBe(false);
  }
}, 300_000);

test('a recovery does not write through a directory that becomes a link', async () => {
  mkdirSync(`${source}/victim/sub`, { recursive: true });
  for (let i = 0; i < 30; i += 1) writeFileSync(`${source}/victim/sub/file-${i}`, 'mine');
  chmodSync(`${source}/victim/sub`, 0o700);
  const { image } = await makeImage(source);
  const before = snapshotOf(outside);
  mkdirSync(`${target}/victim`);
  await swap(`${target}/victim`, outside);
  for (let i = 0; i < ROUNDS; i += 1) {
    await takeImage(image, target, { removeGone: i % 2 === 1 });
    expect(snapshotOf(outside)).toEqual(before);
  }
}, 300_000);

test('a removal of what is gone does not follow links either', async () => {
  mkdirSync(`${target}/gone`);
  symlinkSync(outside, `${target}/link`);
  symlinkSync(outside, `${target}/gone/link`);
  const dumpDirectory = Buffer.from('Ykept\0\0');
  const image = imageOf({ type: 'directory', at: '', dumpDirectory });
  const before = snapshotOf(outside);
  expect((await takeImage(image, target, { removeGone: true })).logs).toEqual([]);
  expect(readdirSync(target)).toEqual([]);
  expect(snapshotOf(outside)).toEqual(before);
});

test('an image cannot write through a link that it brings, nor climb', async () => {
  const before = snapshotOf(outside);
  const image = imageOf(
    { type: 'directory', at: '' },
    { type: 'symlink', at: 'way', linkTarget: Buffer.from(outside) },
    { type: 'file', at: 'way/new' },
    { type: 'directory', at: 'way/sub' },
    { type: 'hardlink', at: 'taken', linkTarget: Buffer.from('way/secret') },
    { type: 'hardlink', at: 'climbed', linkTarget: Buffer.from('../outside/secret') },
    { type: 'file', at: '../outside/climbed' },
    { type: 'file', at: '/absolute' },
  );
  const { elements } = await takeImage(image, target);
  expect(elements[0]?.[1]).not.toBe(RECOVERY_STATUS.successful);
  expect(snapshotOf(outside)).toEqual(before);
  expect(readdirSync(target).sort()).toEqual(['absolute', 'way']);
});

test('a recovered file does not write into another name of the old one', async () => {
  writeFileSync(`${source}/file`, 'from the image');
  const { image } = await makeImage(source);
  linkSync(`${outside}/secret`, `${target}/file`);
  await takeImage(image, target);
  expect(readFileSync(`${outside}/secret`, 'utf8')).toBe(SECRET);
  expect(readFileSync(`${target}/file`, 'utf8')).toBe('from the image');
});

test('an export for reading only stays as it is', async () => {
  writeFileSync(`${source}/file`, 'new');
  const { image } = await makeImage(source);
  const exports = [{ name: 'to', directory: target, readOnly: true }];
  const { elements } = await takeImage(image, target, { exports });
  expect(elements).toEqual([['', RECOVERY_STATUS.failedPermission]]);
  expect(readdirSync(target)).toEqual([]);
});

test('an export with an owner gives all to it, and lends nobody its rights', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root gives files away');
  writeFileSync(`${source}/tool`, 'x');
  chmodSync(`${source}/tool`, 0o6755);
  const { image } = await makeImage(source);
  const exports = [{ name: 'to', directory: target, owner: { uid: 4321, gid: 8765 } }];
  expect((await takeImage(image, target, { exports })).logs).toEqual([]);
  const { uid, gid, mode } = statSync(`${target}/tool`);
  expect([uid, gid, mode & 0o7777]).toEqual([4321, 8765, 0o755]);
});

test('names of a list cannot leave the exports', async () => {
  writeFileSync(`${source}/file`, 'x');
  const { image } = await makeImage(source);
  const names = ['/outside/x', '/to/../outside/x', outside, '/'].map((to) =>
    element(Buffer.from('file'), to),
  );
  const { elements } = await takeImage(image, target, { names });
  expect(elements.map(([, status]) => status)).toEqual(
    names.map(() => RECOVERY_STATUS.failedPermission),
  );
  expect(existsSync(`${outside}/x`)).toBe(false);
});
