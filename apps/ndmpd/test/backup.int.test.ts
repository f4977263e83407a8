import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {
  ADDR_TYPE,
  DATA_HALT,
  DATA_STATE,
  type HistoryFile,
  NDMP_ERROR,
  type Pval,
  tcpAddress,
} from '@tapestry/ndmp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  backUp,
  connectTo,
  Dma,
  describeTree,
  listenForData,
  makeWorkspace,
  readAll,
  startServer,
  USER,
  variables,
} from './harness.ts';
import { makeSampleTree } from './sample-tree.ts';

const workspace = makeWorkspace();
const source = workspace.file('source');
const outside = workspace.file('outside');
let server: { address: string; close(): Promise<void> };

beforeAll(async () => {
  makeSampleTree(source);
  mkdirSync(outside);
  writeFileSync(`${outside}/secret`, 'not for export');
  server = await startServer(workspace, { home: source, work: workspace.file('work') });
});

afterAll(async () => {
  await server.close();
  workspace.remove();
});

function extract(image: Buffer, name: string): string {
  const target = workspace.file(name);
  mkdirSync(target);
  const file = workspace.file(`${name}.tar`);
  writeFileSync(file, image);
  execFileSync('tar', ['--numeric-owner', '-xpf', file, '-C', target], { stdio: 'pipe' });
  return target;
}

/** What a filer's own tar would list, one name a line. */
function list(image: Buffer): string[] {
  const names = execFileSync('tar', ['-tf', '-'], { input: image, maxBuffer: 1 << 26 });
  return names.toString().trimEnd().split('\n');
}

const variable = (env: Pval[], name: string): string | undefined =>
  env.findLast((pair) => pair.name === name)?.value;

function freshWork(): string {
  const work = workspace.file('work');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  return work;
}

test('GNU tar extracts the image to the same tree, to the nanosecond', async () => {
  const { image, halt, dma } = await backUp(server.address, { FILESYSTEM: '/home', HIST: 'n' });
  expect(halt).toBe(DATA_HALT.successful);
  expect(dma.files).toEqual([]);
  const copy = extract(image, 'by-tar');
  expect(describeTree(copy)).toEqual(describeTree(source));
  expect(statSync(`${copy}/data/sparse.img`).blocks).toBeLessThan(1000);
});

test('history by path names every member, and its offset leads to its header', async () => {
  const { image, dma } = await backUp(server.address, { FILESYSTEM: '/home', HIST: 'f' });
  expect(dma.files[0]?.name.toString()).toBe('/');
  const found = execFileSync('find', [source, '-printf', '/%P\\0'], { encoding: 'latin1' });
  const expected = found.split('\0').slice(0, -1).sort();
  expect(dma.files.map(({ name }) => name.toString('latin1')).sort()).toEqual(expected);
  const readme = dma.files.find(({ name }) => name.toString() === '/docs/readme.txt');
  const at = Number((readme as HistoryFile).fhInfo);
  expect(list(image.subarray(at))[0]).toBe('docs/readme.txt');
  const { stat } = readme as HistoryFile;
  expect(stat).toMatchObject({ size: 6n, mode: 0o640, links: 1, mtime: 981173106 });
});

test('history by inode: root first, directories whole, every node named before it is described', async () => {
  const { dma } = await backUp(server.address, { FILESYSTEM: '/home/docs', HIST: 'd' });
  const root = BigInt(statSync(`${source}/docs`, { bigint: true }).ino);
  expect(dma.dirs.slice(0, 2)).toEqual([
    { name: Buffer.from('.'), node: root, parent: root },
    { name: Buffer.from('..'), node: root, parent: root },
  ]);
  const named = new Set(dma.dirs.map(({ node }) => node));
  expect(dma.nodes.every(({ node }) => named.has(node))).toBe(true);
  expect(dma.nodes).toHaveLength(5);
  const children = dma.dirs.filter(({ parent }) => parent === root).map((d) => d.name.toString());
  expect(children.sort()).toEqual(['.', '..', 'empty', 'linked.bin', 'nothing', 'readme.txt']);
});

test('an incremental by token holds what changed, and the directories', async () => {
  const work = freshWork();
  mkdirSync(`${work}/sub`);
  writeFileSync(`${work}/sub/old`, 'old');
  writeFileSync(`${work}/touched`, 'x');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const full = await backUp(server.address, { FILESYSTEM: '/work', BASE_DATE: '0' });
  expect(list(full.image)).toEqual(['./', 'touched', 'sub/', 'sub/old']);
  const token = variable(full.env, 'DUMP_DATE') as string;
  await new Promise((resolve) => setTimeout(resolve, 50));
  writeFileSync(`${work}/sub/new`, 'new');
  execFileSync('chmod', ['600', `${work}/touched`]);
  const next = await backUp(server.address, { FILESYSTEM: '/work', BASE_DATE: token });
  expect(list(next.image)).toEqual(['./', 'touched', 'sub/', 'sub/new']);
  const again = variable(next.env, 'DUMP_DATE') as string;
  expect(BigInt(again)).toBeGreaterThan(BigInt(token));
});

test('levels use the dates of earlier backups; a missing base makes a full one and says so', async () => {
  const work = freshWork();
  writeFileSync(`${work}/a`, 'a');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const orphan = await backUp(server.address, { FILESYSTEM: '/work', LEVEL: '3', UPDATE: 'n' });
  expect(orphan.dma.logText).toContain('no backup of /work below level 3');
  expect(variable(orphan.env, 'LEVEL')).toBe('0');
  await backUp(server.address, { FILESYSTEM: '/work', LEVEL: '0' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  writeFileSync(`${work}/b`, 'b');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const first = await backUp(server.address, { FILESYSTEM: '/work', LEVEL: '1' });
  expect(list(first.image)).toEqual(['./', 'b']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = await backUp(server.address, { FILESYSTEM: '/work', LEVEL: '2' });
  expect(list(second.image)).toEqual(['./']);
  const cumulative = await backUp(server.address, { FILESYSTEM: '/work', LEVEL: '1' });
  expect(list(cumulative.image)).toEqual(['./', 'b']);
});

test('the environment comes back with everything that was sent, and the last of duplicates counts', async () => {
  freshWork();
  const dma = await Dma.login(server.address);
  const { address, socket } = await listenForData();
  await dma.client.dataConnect(address);
  const env = [
    ...variables({ FILESYSTEM: '/nowhere', VENDOR_X: 'kept' }),
    ...variables({ FILESYSTEM: '/work' }),
  ];
  await dma.client.startBackup({ butype: 'tar', env });
  await readAll(await socket);
  expect(await dma.halted()).toBe(DATA_HALT.successful);
  const back = await dma.client.getEnv();
  expect(variable(back, 'VENDOR_X')).toBe('kept');
  expect(back.filter(({ name }) => name === 'FILESYSTEM')).toEqual(
    variables({ FILESYSTEM: '/work' }),
  );
  expect(Number(variable(back, 'TAPESTRY_IMAGE_BYTES'))).toBeGreaterThan(0);
  dma.client.close();
});

test('a missing path is named in the log and halts the operation', async () => {
  const { halt, dma, image } = await backUp(server.address, { FILESYSTEM: '/home/no/such' });
  expect(halt).toBe(DATA_HALT.internalError);
  expect(dma.logText).toContain('/home/no');
  expect(image.length).toBe(0);
});

test('nothing outside an export can be named', async () => {
  symlinkSync(outside, `${freshWork()}/way-out`);
  const dma = await Dma.login(server.address);
  for (const path of ['/', '/etc', '/home/../work', '/home/docs/../../outside', outside]) {
    const { address } = await listenForData();
    await dma.client.dataConnect(address);
    const start = dma.client.startBackup({ butype: 'tar', env: variables({ FILESYSTEM: path }) });
    await expect(start).rejects.toMatchObject({ error: NDMP_ERROR.illegalArgs });
    await dma.client.abort();
    await dma.client.stop();
  }
  expect(dma.logText).toContain('/etc is not in any export');
  dma.client.close();
  const through = await backUp(server.address, { FILESYSTEM: '/work/way-out' });
  expect(through.halt).toBe(DATA_HALT.internalError);
  const inside = await backUp(server.address, { FILESYSTEM: '/work' });
  expect(list(inside.image)).toEqual(['./', 'way-out']);
});

test('a listing data server works the same, and abort ends it at once', async () => {
  const dma = await Dma.login(server.address);
  const address = await dma.client.dataListen(ADDR_TYPE.tcp);
  const socket = connectTo(address);
  while ((await dma.client.getState()).state !== DATA_STATE.connected);
  await dma.client.startBackup({ butype: 'tar', env: variables({ FILESYSTEM: '/home' }) });
  await dma.client.abort(); // nobody reads the stream: it cannot have ended by itself
  expect(await dma.halted()).toBe(DATA_HALT.aborted);
  expect(await dma.client.getState()).toMatchObject({ haltReason: DATA_HALT.aborted });
  await dma.client.stop();
  expect(await dma.client.getState()).toMatchObject({ state: DATA_STATE.idle, haltReason: 0 });
  socket.destroy();
  const again = await dma.client.dataListen(ADDR_TYPE.tcp);
  expect(again.type).toBe('tcp');
  dma.client.close();
});

test('a data connection that the peer ends before the start halts with a connect error', async () => {
  const dma = await Dma.login(server.address);
  const { address, socket } = await listenForData();
  await dma.client.dataConnect(address);
  (await socket).destroy();
  expect(await dma.halted()).toBe(DATA_HALT.connectError);
  dma.client.close();
});

test('a peer that goes away during the backup halts it with a connect error', async () => {
  const dma = await Dma.login(server.address);
  const { address, socket } = await listenForData();
  await dma.client.dataConnect(address);
  await dma.client.startBackup({ butype: 'tar', env: variables({ FILESYSTEM: '/home' }) });
  (await socket).destroy();
  expect(await dma.halted()).toBe(DATA_HALT.connectError);
  dma.client.close();
});

test('an address where nobody listens is a connect error, and the state stays idle', async () => {
  const dma = await Dma.login(server.address);
  const dial = dma.client.dataConnect(tcpAddress('127.0.0.1', 1));
  await expect(dial).rejects.toMatchObject({ error: NDMP_ERROR.connect });
  expect(await dma.client.getState()).toMatchObject({ state: DATA_STATE.idle });
  expect(dma.logText).toContain('127.0.0.1:1');
  dma.client.close();
});

test('a wrong password is refused, text is off unless allowed, the challenge is used up', async () => {
  const dma = new Dma(server.address);
  await dma.client.connectOpen();
  const refused = { failure: 'refused', error: NDMP_ERROR.notAuthorized };
  await expect(dma.client.getHostInfo()).rejects.toMatchObject(refused);
  await expect(dma.client.authMd5(USER, 'wrong')).rejects.toMatchObject(refused);
  await expect(dma.client.authMd5('nobody', 'open-sesame')).rejects.toMatchObject(refused);
  await expect(dma.client.authText(USER, 'open-sesame')).rejects.toMatchObject({
    error: NDMP_ERROR.illegalArgs,
  });
  expect(await dma.client.getServerInfo()).toMatchObject({ vendor: '', authTypes: [2] });
  await dma.client.authMd5(USER, 'open-sesame');
  expect((await dma.client.getServerInfo()).product).toBe('Tapestry ndmpd');
  expect((await dma.client.getButypeInfo()).butypes.map(({ name }) => name)).toEqual([
    'tar',
    'dump',
  ]);
  const { fileSystems } = await dma.client.getFsInfo();
  expect(fileSystems.map((fs) => [fs.logicalDevice, fs.status])).toEqual([
    ['/home', 'online'],
    ['/work', 'online'],
  ]);
  dma.client.close();
});

test('files that vanish, shrink or are replaced leave a correct stream and a log line', async () => {
  const work = freshWork();
  for (let i = 0; i < 6; i += 1) writeFileSync(`${work}/big-${i}`, Buffer.alloc(8 << 20, i + 1));
  const dma = await Dma.login(server.address);
  const { address, socket } = await listenForData();
  await dma.client.dataConnect(address);
  const data = await socket; // unread, so the server is stuck within the first files
  await dma.client.startBackup({
    butype: 'tar',
    env: variables({ FILESYSTEM: '/work', HIST: 'f' }),
  });
  while ((await dma.client.getState()).bytesProcessed === 0n) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  truncateSync(`${work}/big-0`, 1000);
  rmSync(`${work}/big-4`);
  renameSync(`${work}/big-5`, `${outside}/big-5`);
  symlinkSync(`${outside}/secret`, `${work}/big-5`);
  const image = await readAll(data);
  expect(await dma.halted()).toBe(DATA_HALT.successful);
  expect(dma.logText).toMatch(/\/work\/big-0 (shrank|changed)/);
  expect(dma.logText).toContain('/work/big-4 vanished');
  expect(dma.logText).toContain('/work/big-5 cannot be opened: ELOOP');
  expect(list(image)).toEqual(['./', 'big-0', 'big-1', 'big-2', 'big-3']);
  expect(image.includes('not for export')).toBe(false);
  const copy = extract(image, 'after-changes');
  expect(readdirSync(copy).sort()).toEqual(['big-0', 'big-1', 'big-2', 'big-3']);
  dma.client.close();
});
