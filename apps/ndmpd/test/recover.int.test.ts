import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { DATA_HALT, type HistoryFile, type Pval, RECOVERY_STATUS } from '@tapestry/ndmp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type BackupResult,
  backUp,
  describeTree,
  makeWorkspace,
  nameEntry,
  recover,
  startServer,
  variables,
} from './harness.ts';
import { makeSampleTree } from './sample-tree.ts';

const workspace = makeWorkspace();
const source = workspace.file('source');
const target = workspace.file('target');
let server: { address: string; close(): Promise<void> };
let full: BackupResult;

beforeAll(async () => {
  makeSampleTree(source);
  mkdirSync(target);
  server = await startServer(workspace, { home: source, spare: target });
  full = await backUp(server.address, { FILESYSTEM: '/home', HIST: 'f' });
});

afterAll(async () => {
  await server.close();
  workspace.remove();
});

const direct = (): Pval[] => [...full.env, ...variables({ DIRECT: 'y' })];

/** The saved environment of a server that keeps nothing private in it. */
const bare = (): Pval[] => variables({ FILESYSTEM: '/home', TYPE: 'tar' });

function offsetOf(path: string): bigint {
  const entry = full.dma.files.find(({ name }) => name.toString() === path);
  return (entry as HistoryFile).fhInfo;
}

const statuses = (files: { name: string; status: number }[]): [string, number][] =>
  files.map(({ name, status }) => [name, status]);

test.each([
  ['as one known range', () => full.env],
  ['to an unknown end', bare],
])('the whole tree comes back, read %s', async (_how, env) => {
  const place = `${target}/whole`;
  rmSync(place, { recursive: true, force: true });
  const names = [nameEntry('', '/spare/whole')];
  const { halt, dma, ranges } = await recover(server.address, full.image, env(), names);
  expect(halt).toBe(DATA_HALT.successful);
  expect(dma.logText).toBe('');
  expect(statuses(dma.recovered)).toEqual([['', RECOVERY_STATUS.successful]]);
  expect(ranges).toHaveLength(1);
  expect(describeTree(place)).toEqual(describeTree(source));
  expect(statSync(`${place}/data/sparse.img`).blocks).toBeLessThan(1000);
});

test('a second recovery over the first changes nothing, whatever lay in the way', async () => {
  const place = `${target}/whole`;
  writeFileSync(`${place}/data/random.bin`, 'overwritten');
  rmSync(`${place}/data/link`);
  symlinkSync('/etc/passwd', `${place}/data/link`);
  const before = readFileSync('/etc/passwd');
  const names = [nameEntry('', '/spare/whole')];
  const { dma } = await recover(server.address, full.image, full.env, names);
  expect(dma.logText).toBe('');
  expect(describeTree(place)).toEqual(describeTree(source));
  expect(readFileSync('/etc/passwd')).toEqual(before);
});

test('a subtree and a renamed file in one pass', async () => {
  const names = [
    nameEntry('/docs', '/spare/some/papers'),
    { ...nameEntry('/home/data/random.bin', '/spare/some'), name: 'renamed' },
  ];
  const { dma } = await recover(server.address, full.image, full.env, names);
  expect(statuses(dma.recovered)).toEqual([
    ['/docs', 0],
    ['/home/data/random.bin', 0],
  ]);
  const [renamed, original] = [`${target}/some/renamed`, `${source}/data/random.bin`];
  expect(readFileSync(renamed).equals(readFileSync(original))).toBe(true);
  const alike = (root: string): string[] =>
    describeTree(root).filter((line) => !line.startsWith('./linked.bin')); // has one name here
  expect(alike(`${target}/some/papers`)).toEqual(alike(`${source}/docs`));
});

test('direct access asks for the wanted ranges only, directories included', async () => {
  const names = [
    nameEntry('/docs/readme.txt', '/spare/dar/readme', offsetOf('/docs/readme.txt')),
    nameEntry('/data/sparse.img', '/spare/dar/sparse', offsetOf('/data/sparse.img')),
    nameEntry('/odd', '/spare/dar/odd', offsetOf('/odd')),
  ];
  const { halt, dma, ranges } = await recover(server.address, full.image, direct(), names);
  expect(halt).toBe(DATA_HALT.successful);
  expect(dma.recovered.every(({ status }) => status === 0)).toBe(true);
  expect(describeTree(`${target}/dar/odd`)).toEqual(describeTree(`${source}/odd`));
  expect(readFileSync(`${target}/dar/readme`, 'utf8')).toBe('hello\n');
  const [copy, original] = [`${target}/dar/sparse`, `${source}/data/sparse.img`];
  expect(readFileSync(copy).equals(readFileSync(original))).toBe(true);
  const asked = ranges.reduce((sum, [, length]) => sum + length, 0n);
  expect(asked).toBeLessThan(BigInt(full.image.length) / 4n);
  for (const [offset] of ranges) expect(Number(offset) % 512).toBe(0);
});

test.each([
  ['direct', direct],
  ['in one pass', () => full.env],
])('a hard link is recovered without its first name, %s', async (how, env) => {
  const base = `/spare/links-${how}`;
  const names = [
    nameEntry('/data/zz-same.bin', `${base}/one`, offsetOf('/data/zz-same.bin')),
    nameEntry('/docs/linked.bin', `${base}/two`, offsetOf('/docs/linked.bin')),
  ];
  const { dma, halt } = await recover(server.address, full.image, env(), names);
  expect([halt, dma.logText]).toEqual([DATA_HALT.successful, '']);
  const place = `${target}/links-${how}`;
  expect(readFileSync(`${place}/one`)).toEqual(readFileSync(`${source}/data/block.bin`));
  expect(statSync(`${place}/one`)).toMatchObject({ nlink: 2, ino: statSync(`${place}/two`).ino });
});

test('ranges are aligned when the mover cannot serve others', async () => {
  const env = [...full.env, ...variables({ DIRECT: 'y', DR_ALIGN: '10240' })];
  const names = [nameEntry('/docs', '/spare/aligned', offsetOf('/docs'))];
  const padded = Buffer.concat([full.image, Buffer.alloc(20_480)]);
  const { dma, ranges } = await recover(server.address, padded, env, names);
  expect(dma.logText).toBe('');
  for (const [offset, length] of ranges)
    expect([offset % 10240n, length % 10240n]).toEqual([0n, 0n]);
  expect(readFileSync(`${target}/aligned/readme.txt`, 'utf8')).toBe('hello\n');
});

test('with RECURSIVE=n a directory comes without its contents', async () => {
  const env = [...full.env, ...variables({ RECURSIVE: 'n' })];
  await recover(server.address, full.image, env, [nameEntry('/docs', '/spare/lonely')]);
  expect(readdirSync(`${target}/lonely`)).toEqual([]);
  expect(statSync(`${target}/lonely`).mtimeMs).toBe(statSync(`${source}/docs`).mtimeMs);
});

test('what is missing is named, with its own status, and the rest comes back', async () => {
  const names = [
    nameEntry('/docs/readme.txt', '/spare/partly/readme'),
    nameEntry('/docs/never-was', '/spare/partly/never'),
    nameEntry('/docs/nothing', '/elsewhere/nothing'),
  ];
  const { halt, dma } = await recover(server.address, full.image, full.env, names);
  expect(halt).toBe(DATA_HALT.successful);
  expect(Object.fromEntries(statuses(dma.recovered))).toEqual({
    '/docs/readme.txt': RECOVERY_STATUS.successful,
    '/docs/never-was': RECOVERY_STATUS.failedNotFound,
    '/docs/nothing': RECOVERY_STATUS.failedPermission,
  });
  expect(dma.logText).toContain('/docs/never-was was not found');
  expect(dma.logText).toContain('/elsewhere/nothing is not in any export');
});

test('neither a link in the target nor a name in the image leads outside the export', async () => {
  const outside = workspace.file('outside');
  mkdirSync(outside);
  symlinkSync(outside, `${target}/trap`);
  const names = [nameEntry('/docs/readme.txt', '/spare/trap/readme')];
  const trapped = await recover(server.address, full.image, full.env, names);
  expect(statuses(trapped.dma.recovered)[0]?.[1]).toBe(RECOVERY_STATUS.failedNoDirectory);
  const evil = execFileSync('bash', [
    '-c',
    'cd "$1" && echo bad > x && tar -P --format=posix --transform "s,^x,../../escaped," -cf - x',
    'bash',
    outside,
  ]);
  const all = [nameEntry('', '/spare/evil')];
  const escaped = await recover(server.address, evil, bare(), all);
  expect(escaped.dma.logText).toContain('escaped: not a path');
  const climbing = [nameEntry('/docs/readme.txt', '/spare/../../etc/ndmpd-was-here')];
  const climbed = await recover(server.address, full.image, full.env, climbing);
  expect(statuses(climbed.dma.recovered)[0]?.[1]).toBe(RECOVERY_STATUS.failedPermission);
  expect(existsSync(workspace.file('escaped'))).toBe(false);
  expect(existsSync(`${outside}/readme`)).toBe(false);
});

test('an image made by GNU tar comes back, too', async () => {
  const tar = (format: string): Buffer =>
    execFileSync('tar', ['-C', source, `--format=${format}`, '-S', '-cf', '-', '.'], {
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const names = [nameEntry('', '/spare/from-tar')];
  const { dma } = await recover(server.address, tar('posix'), bare(), names);
  expect(dma.logText).toBe('');
  expect(describeTree(`${target}/from-tar`)).toEqual(describeTree(source));
});

test('a damaged image and a lost connection halt with the right reason', async () => {
  const broken = Buffer.from(full.image);
  broken.fill(0x55, 1024, 2048);
  const names = [nameEntry('', '/spare/broken')];
  const damaged = await recover(server.address, broken, full.env, names);
  expect(damaged.halt).toBe(DATA_HALT.internalError);
  expect(damaged.dma.logText).toContain('a member header is damaged');
  const cut = full.image.subarray(0, 100_000);
  const short = await recover(server.address, cut, bare(), names);
  expect(short.halt).toBe(DATA_HALT.connectError);
  expect(short.dma.logText).toContain('the image ends at byte 100000');
});

test('the history of an image can be read back from the image alone', async () => {
  const names = [nameEntry('', '')];
  const { dma, halt } = await recover(server.address, full.image, full.env, names, {
    historyOnly: true,
  });
  expect(halt).toBe(DATA_HALT.successful);
  const paths = (files: HistoryFile[]): string[] =>
    files.map(({ name, fhInfo }) => `${fhInfo} ${name.toString('latin1')}`);
  expect(paths(dma.files)).toEqual(paths(full.dma.files));
});
