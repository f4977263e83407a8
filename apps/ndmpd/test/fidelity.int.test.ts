// A full backup of any tree comes back as it was, by ndmpd and by GNU tar; and of trees that are large in
// one way or another: deep, wide, with huge files full of holes.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { AttributeHelper } from '../src/adapters/attribute-helper.ts';
import { closeDirectory, nameIn, openBelow, openRoot } from '../src/adapters/directory.ts';
import { makeWorkspace } from './harness.ts';
import { element, makeImage, takeImage } from './in-process.ts';
import { IS_ROOT } from './sample-tree.ts';
import { change, changes, describeExactly } from './tree-model.ts';

const workspace = makeWorkspace();
const home = process.cwd();
const source = workspace.file('source');
const target = workspace.file('target');
const RUNS = 15;
const MS = 1_000_000n;

beforeAll(() => process.chdir(workspace.path));
beforeEach(() => {
  for (const root of [source, target]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
});
afterEach(() => process.chdir(workspace.path));
afterAll(() => {
  process.chdir(home);
  workspace.remove();
});

/** Everything made in the directory is u:4711's, too; where the file system keeps no ACLs, nothing happens. */
async function giveDefaultAcl(path: string): Promise<void> {
  const helper = new AttributeHelper();
  await helper.ready();
  const directory = openRoot(path);
  const entry = (tag: number, mode: number, id: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(tag, 0);
    bytes.writeUInt16LE(mode, 2);
    bytes.writeUInt32LE(id, 4);
    return bytes;
  };
  const none = 0xffff_ffff;
  const [user, group] = [entry(1, 7, none), entry(4, 4, none)];
  const entries = [user, entry(2, 7, 4711), group, entry(16, 7, none), entry(32, 0, none)];
  const value = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...entries]);
  const name = Buffer.from('system.posix_acl_default');
  helper.setXattr({ directory, name: Buffer.from('.') }, { name, value }, path);
  await helper.settled();
  helper.close();
  closeDirectory(directory);
}

test('any tree comes back, by ndmpd and by GNU tar', async () => {
  await fc.assert(
    fc.asyncProperty(changes({ minLength: 5, maxLength: 60 }), async (all) => {
      for (const root of [source, target, `${target}-tar`]) {
        rmSync(root, { recursive: true, force: true });
        mkdirSync(root);
      }
      await change(source, all);
      const tree = await describeExactly(source);
      const { image, logs } = await makeImage(source);
      expect(logs).toEqual([]);
      expect((await takeImage(image, target)).logs).toEqual([]);
      expect(await describeExactly(target)).toEqual(tree);
      process.chdir(workspace.path);
      const flags = ['--numeric-owner', '--same-owner', '--xattrs', '--xattrs-include=*', '--acls'];
      const input = { input: image, stdio: ['pipe' as const, 'ignore' as const, 'pipe' as const] };
      execFileSync('tar', [...flags, '-xpf', '-', '-C', `${target}-tar`], input);
      expect(await describeExactly(`${target}-tar`)).toEqual(tree);
      const listed = execFileSync('tar', ['-tf', '-'], { input: image, encoding: 'latin1' });
      expect(listed.trimEnd().split('\n')).toHaveLength(tree.length);
    }),
    { numRuns: RUNS },
  );
}, 300_000);

test.each([511, 4096, 70_001])('ordinary files that come in pieces of %i bytes', async (piece) => {
  const sizes = [0, 1, 511, 512, 513, 5000, 65_536, 65_537, 200_000];
  const modes = [0o644, 0o600, 0o666, 0o4755, 0o2711, 0o7777];
  for (const folder of ['a', 'b/c']) {
    mkdirSync(`${source}/${folder}`, { recursive: true });
    for (const [i, size] of [...sizes, ...sizes].entries()) {
      const path = `${source}/${folder}/file ${i}`;
      writeFileSync(path, Buffer.alloc(size, `content of ${i} `));
      chmodSync(path, modes[i % modes.length] as number);
      if (IS_ROOT && i % 4 === 3) chownSync(path, 1000 + i, 2000);
      utimesSync(path, 1, 1_600_000_000 + i / 8);
    }
  }
  symlinkSync('file 3', `${source}/a/file 3 and a half`);
  const tree = await describeExactly(source);
  const { image } = await makeImage(source);
  expect((await takeImage(image, target, {}, piece)).logs).toEqual([]);
  expect(await describeExactly(target)).toEqual(tree);
});

test('what a directory gives to all that is made in it does not show in what is recovered', async ({
  skip,
}) => {
  skip(!IS_ROOT, 'only root gives files away');
  mkdirSync(`${source}/shared`);
  for (const [i, mode] of [0o644, 0o666, 0o640, 0o755, 0o2750].entries()) {
    writeFileSync(`${source}/shared/${i}`, 'text');
    chmodSync(`${source}/shared/${i}`, mode);
  }
  const tree = await describeExactly(source);
  const { image } = await makeImage(source);
  mkdirSync(`${target}/shared`);
  chownSync(`${target}/shared`, 0, 4242);
  chmodSync(`${target}/shared`, 0o2777);
  await giveDefaultAcl(`${target}/shared`);
  expect((await takeImage(image, target)).logs).toEqual([]);
  expect(await describeExactly(target)).toEqual(tree);
});

test('each object comes back alone, by its offset', async () => {
  await fc.assert(
    fc.asyncProperty(changes({ minLength: 5, maxLength: 40 }), fc.nat(), async (all, n) => {
      rmSync(source, { recursive: true, force: true });
      await change(source, all);
      const { image, history } = await makeImage(source);
      const one = history[n % history.length];
      if (one === undefined) throw new Error('not even the root has history');
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
      const names = [element(one.name.subarray(1), '/to/there', one.fhInfo)];
      const { elements, logs } = await takeImage(image, target, { names, direct: true });
      expect(logs).toEqual([]);
      expect(elements.map(([, status]) => status)).toEqual([0]);
      expect(readdirSync(target)).toEqual(['there']);
    }),
    { numRuns: RUNS },
  );
}, 300_000);

test('a tree that changes while it is saved still makes a sound image', async () => {
  const before = changes({ minLength: 20, maxLength: 60 });
  const meanwhile = changes({ minLength: 10, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(before, meanwhile, async (first, second) => {
      for (const root of [source, target]) {
        rmSync(root, { recursive: true, force: true });
        mkdirSync(root);
      }
      await change(source, first);
      const saving = makeImage(source);
      for (const one of second) {
        await change(source, [one]);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const { image } = await saving;
      process.chdir(workspace.path);
      execFileSync('tar', ['-tf', '-'], { input: image, stdio: ['pipe', 'ignore', 'pipe'] });
      const { elements } = await takeImage(image, target);
      expect(elements).toEqual([['', 0]]);
    }),
    { numRuns: RUNS },
  );
}, 300_000);

test('paths far beyond what a system call takes', async () => {
  const name = 'd'.repeat(255);
  let directory = openRoot(source);
  for (let depth = 0; depth < 40; depth += 1) {
    mkdirSync(nameIn(directory, name));
    const below = openBelow(directory, name);
    closeDirectory(directory);
    directory = below;
  }
  writeFileSync(nameIn(directory, 'bottom'), 'far down');
  closeDirectory(directory);
  process.chdir(workspace.path);
  const { image, history, failed } = await makeImage(source);
  expect(failed).toBe(0);
  expect(history.at(-1)?.name.length).toBeGreaterThan(10_000);
  expect((await takeImage(image, target)).logs).toEqual([]);
  const again = await makeImage(target);
  expect(again.history.at(-1)?.name).toEqual(history.at(-1)?.name);
  process.chdir(workspace.path);
  execFileSync('rm', ['-rf', source, target]); // Node's own removal goes by path
});

/** As large as a file may be here: ext4 ends one block below 16 TiB, others far beyond. */
function stretch(fd: number): number {
  for (const size of [16 * 2 ** 40, 16 * 2 ** 40 - 4096]) {
    try {
      ftruncateSync(fd, size);
      return size;
    } catch {}
  }
  throw new Error('no file of 16 TiB here');
}

test('a file of 16 TiB that holds next to nothing', async () => {
  const fd = openSync(`${source}/huge`, 'w');
  const size = stretch(fd);
  writeSync(fd, 'here', 5 * 2 ** 40);
  fchmodSync(fd, 0o640);
  closeSync(fd);
  const { image } = await makeImage(source);
  expect(image.length).toBeLessThan(65_536);
  expect((await takeImage(image, target)).logs).toEqual([]);
  const copy = statSync(`${target}/huge`, { bigint: true });
  expect(copy.size).toBe(BigInt(size));
  expect(copy.blocks).toBeLessThan(64n);
  const found = Buffer.alloc(6);
  const back = openSync(`${target}/huge`, 'r');
  readSync(back, found, 0, 6, 5 * 2 ** 40 - 1);
  closeSync(back);
  expect(found.toString()).toBe('\0here\0');
});

test('nodes of every kind, with large numbers, and attributes of links', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'only root makes nodes');
  const make = (...args: string[]): Buffer => execFileSync('mknod', args);
  make('-m', '640', `${source}/char`, 'c', '1', '3');
  make('-m', '644', `${source}/block`, 'b', '4095', '1048575');
  make('-m', '602', `${source}/fifo`, 'p');
  execFileSync('ln', ['-s', 'nowhere', `${source}/link`]);
  linkSync(`${source}/fifo`, `${source}/same fifo`);
  linkSync(`${source}/link`, `${source}/same link`);
  for (const [i, name] of ['char', 'block', 'fifo', 'link'].entries()) {
    lchownSync(`${source}/${name}`, 3_000_000_000 + i, 7);
    const time = `@1234567890.00000000${i + 1}`;
    execFileSync('touch', ['-h', '-d', time, `${source}/${name}`]);
  }
  const tree = await describeExactly(source);
  const { image, logs } = await makeImage(source);
  expect([logs, (await takeImage(image, target)).logs]).toEqual([[], []]);
  expect(await describeExactly(target)).toEqual(tree);
});

test('a folder of many names: what goes from it goes from its copy', async () => {
  const count = 3000; // beyond what is listed as plain strings
  const name = (i: number): string => `${source}/${'long name '.repeat(i % 20)}\xff${i}`;
  for (let i = 0; i < count; i += 1) writeFileSync(name(i), `${i}`);
  const sinceNs = BigInt(Date.now()) * MS;
  const full = await makeImage(source);
  await takeImage(full.image, target);
  writeFileSync(`${target}/not of the source`, '');
  for (let i = 0; i < count; i += 7) rmSync(name(i));
  writeFileSync(`${source}/new`, 'new');
  const { directories } = full;
  const next = await makeImage(source, { base: { sinceNs, directories } });
  const { logs } = await takeImage(next.image, target, { removeGone: true });
  expect([next.logs, logs]).toEqual([[], []]);
  expect(readdirSync(target).sort()).toEqual(readdirSync(source).sort());
});

test('reading is no use of a file: its access time stays', async () => {
  writeFileSync(`${source}/small`, 'small');
  writeFileSync(`${source}/large`, Buffer.alloc(1_000_000, 'x'));
  for (const one of ['small', 'large'])
    utimesSync(`${source}/${one}`, 1_000_000_000, 2_000_000_000);
  await makeImage(source);
  for (const one of ['small', 'large']) expect(statSync(`${source}/${one}`).atimeMs).toBe(1e12);
});

test('many files in one directory, and a socket among them', async () => {
  for (let i = 0; i < 4000; i += 1) writeFileSync(`${source}/file-${i}`, '');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${source}/socket`, resolve));
  const { image, history, failed } = await makeImage(source);
  server.close();
  expect(failed).toBe(0);
  expect(history).toHaveLength(4001);
  await takeImage(image, target);
  expect(readdirSync(target)).toHaveLength(4000);
});
