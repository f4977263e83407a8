// What cannot be read, or changes at the worst moment: the stream stays sound for ndmpd and GNU tar, the
// rest is in it, the log names the object, and the next incremental tries again what failed.

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { type Fault, failure, withFaults } from './faulty-tree.ts';
import { makeWorkspace } from './harness.ts';
import { type MadeImage, makeImage, takeImage } from './in-process.ts';

const workspace = makeWorkspace();
const home = process.cwd();
const source = workspace.file('source');
const target = workspace.file('target');
const MIB = 1024 * 1024;
/** Large enough to be read piece by piece while its header is sent already. */
const LARGE_BYTES = 5 * MIB;

beforeEach(() => {
  process.chdir(workspace.path);
  for (const root of [source, target]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
  mkdirSync(`${source}/dir/below`, { recursive: true });
  for (const name of ['a', 'dir/b', 'dir/below/c', 'z']) writeFileSync(`${source}/${name}`, name);
  writeFileSync(`${source}/large`, Buffer.alloc(LARGE_BYTES, 'large '));
  symlinkSync('a', `${source}/link`);
});
afterAll(() => {
  process.chdir(home);
  workspace.remove();
});

/** Backs up with faults, and lets both readers take the image. */
async function saveWith(fault: Fault): Promise<MadeImage & { readonly names: string[] }> {
  const made = await makeImage(source, {}, withFaults(fault));
  process.chdir(workspace.path);
  const listed = execFileSync('tar', ['-tf', '-'], { input: made.image, maxBuffer: 1 << 26 });
  const taken = await takeImage(made.image, target);
  process.chdir(workspace.path);
  expect([taken.logs, taken.elements]).toEqual([[], [['', 0]]]);
  const names = listed.toString().trimEnd().split('\n');
  return { ...made, names: names.filter((name) => !name.endsWith('/')) };
}

const ALL = ['a', 'large', 'link', 'z', 'dir/b', 'dir/below/c'];
const without = (...gone: string[]): string[] => ALL.filter((name) => !gone.includes(name));

/** Fails one call of one name. */
const failing =
  (on: string, code: string, name: string): Fault =>
  (call, at) => {
    if (call === on && at === name) throw failure(code);
  };

test.each([
  ['openFile', 'EACCES', 'a', 'a', 'cannot be opened: EACCES'],
  ['openFile', 'EIO', 'c', 'dir/below/c', 'cannot be opened: EIO'],
  ['readFile', 'EIO', 'b', 'dir/b', 'could not be read and was left out: EIO'],
  ['examine', 'EIO', 'link', 'link', 'cannot be examined: EIO'],
  ['openBelow', 'EACCES', 'below', 'dir/below/c', 'cannot be opened: EACCES'],
  ['list', 'EIO', 'below', 'dir/below/c', 'cannot be listed: EIO'],
])('%s fails with %s for %s: all but it is saved', async (call, code, name, gone, text) => {
  const { names, logs, failed } = await saveWith(failing(call, code, name));
  expect(names).toEqual(without(gone));
  const path = gone.slice(0, gone.indexOf(name) + name.length);
  expect([failed, logs]).toEqual([1, [`/home/${path} ${text}`]]);
});

test('an error in the middle of a file: the rest is zeros, and the log says so', async () => {
  const { names, logs, failed } = await saveWith((call, name, position) => {
    if (call === 'readFile' && name === 'large' && position >= 2 * MIB) throw failure('EIO');
  });
  expect(names).toEqual(ALL);
  expect(failed).toBe(1);
  expect(logs).toEqual(['/home/large could not be read to its end: EIO; the rest is zeros']);
  const back = readFileSync(`${target}/large`);
  const whole = readFileSync(`${source}/large`);
  const readable = back.findLastIndex((byte) => byte !== 0) + 1;
  expect(back.length).toBe(LARGE_BYTES);
  expect(readable).toBeGreaterThanOrEqual(2 * MIB);
  expect(readable).toBeLessThan(LARGE_BYTES);
  expect(back.subarray(0, readable).equals(whole.subarray(0, readable))).toBe(true);
});

/** Does something once, when the call is about to be made for the name. */
function meanwhile(on: string, name: string, act: () => void, from = 0): Fault {
  let isDone = false;
  return (call, at, position) => {
    if (isDone || call !== on || at !== name || position < from) return;
    isDone = true;
    act();
  };
}

test('a file that grows while it is read has the bytes that its header promised', async () => {
  const grow = () => appendFileSync(`${source}/large`, 'more');
  const { names, logs, failed } = await saveWith(meanwhile('readFile', 'large', grow, MIB));
  expect([names, failed]).toEqual([ALL, 0]);
  expect(logs).toEqual(['/home/large changed while it was read']);
  expect(statSync(`${target}/large`).size).toBe(LARGE_BYTES);
});

test('a file that shrinks while it is read is filled with zeros', async () => {
  const shrink = () => truncateSync(`${source}/large`, 3 * MIB);
  const { names, logs, failed } = await saveWith(meanwhile('readFile', 'large', shrink, MIB));
  expect([names, failed]).toEqual([ALL, 0]);
  expect(logs).toEqual([`/home/large shrank by ${2 * MIB} bytes; the rest is zeros`]);
  expect(statSync(`${target}/large`).size).toBe(LARGE_BYTES);
  expect(
    readFileSync(`${target}/large`)
      .subarray(3 * MIB)
      .every((byte) => byte === 0),
  ).toBe(true);
});

test('a small file that grows or shrinks after it was looked at is one state of it', async () => {
  const grow = meanwhile('readFile', 'a', () => appendFileSync(`${source}/a`, 'more'));
  const shrink = meanwhile('readFile', 'z', () => truncateSync(`${source}/z`, 0));
  const { names } = await saveWith((call, name, position) => {
    grow(call, name, position);
    shrink(call, name, position);
  });
  expect(names).toEqual(ALL);
  expect(readFileSync(`${target}/a`, 'utf8')).toBe('a');
  expect(readFileSync(`${target}/z`, 'utf8')).toBe('');
});

test.each([
  ['a file', 'openFile', 'a', ['a'], 'a'],
  ['a link', 'readLink', 'link', ['link'], 'link'],
  ['a directory', 'openBelow', 'dir', ['dir/b', 'dir/below/c'], 'dir'],
])('%s that vanishes is left out with a warning', async (_what, call, name, gone, path) => {
  const vanish = () => rmSync(`${source}/${path}`, { recursive: true });
  const { names, logs, failed } = await saveWith(meanwhile(call, name, vanish));
  expect([names, failed]).toEqual([without(...gone), 0]);
  expect(logs).toHaveLength(1);
  expect(logs[0]).toContain(`/home/${path} vanished during the backup`);
});

test('a directory that becomes a link is not followed, and counts as failed', async () => {
  mkdirSync(workspace.file('outside'), { recursive: true });
  writeFileSync(workspace.file('outside/b'), 'outside');
  const replace = () => {
    rmSync(`${source}/dir`, { recursive: true });
    symlinkSync(workspace.file('outside'), `${source}/dir`);
  };
  const { names, logs, failed, image } = await saveWith(meanwhile('openBelow', 'dir', replace));
  expect(names).toEqual(without('dir/b', 'dir/below/c'));
  expect([failed, logs]).toEqual([1, ['/home/dir cannot be opened: ENOTDIR']]);
  expect(image.includes('outside')).toBe(false);
});

test('a directory that vanishes while it is listed', async () => {
  const vanish = () => rmSync(`${source}/dir`, { recursive: true });
  const { names, failed } = await saveWith(meanwhile('list', 'below', vanish));
  expect([names, failed]).toEqual([without('dir/below/c'), 0]);
});

test('what failed is in the next incremental, though it did not change', async () => {
  const first = await saveWith(failing('openFile', 'EIO', 'b'));
  expect(first.names).toEqual(without('dir/b'));
  const sinceNs = BigInt(Date.now() + 3_600_000) * 1_000_000n; // nothing changed since
  const base = { sinceNs, directories: first.directories };
  const next = await makeImage(source, { base });
  const names = next.history.map(({ name }) => name.toString());
  expect(names).toContain('/dir/b');
  expect(names).not.toContain('/a');
});

test('a user that may not read a file is told, and gets the rest', ({ skip }) => {
  skip(process.getuid?.() !== 0, 'only root can become another user');
  const script = `
    import { makeImage } from '${new URL('./in-process.ts', import.meta.url).href}';
    process.setgid(65534); process.setuid(65534);
    const { logs, failed } = await makeImage(process.argv[1]);
    console.log(JSON.stringify([logs, failed]));`;
  chmodSync(workspace.path, 0o755);
  chmodSync(`${source}/a`, 0o600);
  chmodSync(`${source}/dir/below`, 0o700);
  unlinkSync(`${source}/large`);
  const args = ['--input-type=module', '-e', script, source];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8', cwd: workspace.path });
  expect(JSON.parse(said)).toEqual([
    ['/home/a cannot be opened: EACCES', '/home/dir/below cannot be opened: EACCES'],
    2,
  ]);
  expect(readdirSync(source)).toContain('a');
});
