// What a DMA sees of levels, tokens, selections and states: a real server, real connections.

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { DATA_HALT, DATA_STATE_UNSUPPORTED, NDMP_ERROR, type Pval } from '@tapestry/ndmp';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  backUp,
  Dma,
  describeTree,
  listenForData,
  makeWorkspace,
  nameEntry,
  readAll,
  recover,
  startServer,
  variables,
} from './harness.ts';

const workspace = makeWorkspace();
const source = workspace.file('source');
const target = workspace.file('target');
const APART_MS = 40;
let server: { address: string; close(): Promise<void> };

beforeAll(async () => {
  const flags = ['--dump-dates', workspace.file('dates.sqlite')];
  server = await startServer(workspace, { home: source, to: target }, flags);
});
beforeEach(() => {
  for (const root of [source, target]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
});
afterAll(async () => {
  await server.close();
  workspace.remove();
});

const variable = (env: Pval[], name: string): string | undefined =>
  env.findLast((pair) => pair.name === name)?.value;

const chainTo = (env: Pval[]): Pval[] => [...env, ...variables({ EXTRACT: 'n' })];

/** Names below the root that are files of the image. */
const paths = (dma: Dma): string[] => dma.files.map(({ name }) => name.toString()).sort();

function change(step: number): void {
  if (step === 0) {
    for (const name of ['stays', 'moves/deep', 'goes']) {
      mkdirSync(`${source}/${name}`, { recursive: true });
      writeFileSync(`${source}/${name}/file`, name);
    }
  } else if (step === 1) {
    renameSync(`${source}/moves`, `${source}/moved`);
    rmSync(`${source}/goes`, { recursive: true });
  } else {
    writeFileSync(`${source}/stays/file`, 'changed');
    writeFileSync(`${source}/goes`, 'a file of that name');
  }
}

test.each([
  ['levels of a dump', 'dump', (step: number) => ({ LEVEL: `${step}`, UPDATE: 'y' })],
  [
    'tokens of a tar',
    'tar',
    (_: number, last: Pval[]) => ({ BASE_DATE: variable(last, 'DUMP_DATE') ?? '0', UPDATE: 'n' }),
  ],
])('a chain by %s, recovered in order, is the source', async (_what, butype, base) => {
  let last: Pval[] = [];
  for (let step = 0; step < 3; step += 1) {
    change(step);
    await pause(APART_MS);
    const values = { FILESYSTEM: '/home', TYPE: butype, HIST: 'f', ...base(step, last) };
    const { image, env, halt, dma } = await backUp(server.address, values);
    expect([halt, dma.logText]).toEqual([DATA_HALT.successful, '']);
    last = env;
    if (step === 1) expect(paths(dma)).not.toContain('/stays/file');
    if (step === 1) expect(paths(dma)).toContain('/moved/deep/file');
    const names = [nameEntry('', '/to')];
    const back = await recover(server.address, image, chainTo(env), names);
    expect(back.dma.logText).toBe('');
    expect(describeTree(target)).toEqual(describeTree(source));
    await pause(APART_MS);
  }
  expect(readdirSync(target).sort()).toEqual(['goes', 'moved', 'stays']);
});

test('without EXTRACT=n an incremental removes nothing', async () => {
  change(0);
  const full = await backUp(server.address, { FILESYSTEM: '/home', BASE_DATE: '0' });
  await recover(server.address, full.image, full.env, [nameEntry('', '/to')]);
  change(1);
  const token = variable(full.env, 'DUMP_DATE') ?? '';
  const next = await backUp(server.address, { FILESYSTEM: '/home', BASE_DATE: token });
  await recover(server.address, next.image, next.env, [nameEntry('', '/to')]);
  expect(readdirSync(target).sort()).toEqual(['goes', 'moved', 'moves', 'stays']);
});

test('a token nobody remembers saves everything and says so', async () => {
  change(0);
  const { dma } = await backUp(server.address, { FILESYSTEM: '/home', HIST: 'f', BASE_DATE: '5' });
  expect(dma.logText).toContain('no longer on record');
  expect(paths(dma)).toContain('/stays/file');
});

test.each([
  [{ EXCLUDE: 'goes,/moves/deep' }, ['/', '/moves', '/stays', '/stays/file']],
  [{ FILES: '/moves/*' }, ['/', '/moves', '/moves/deep', '/moves/deep/file']],
  [{ FILES: 'fi*', EXCLUDE: 'moves' }, ['/', '/goes', '/goes/file', '/stays', '/stays/file']],
  [{ MULTI_SUBTREE_NAMES: 'goes\nstays' }, ['/', '/goes', '/goes/file', '/stays', '/stays/file']],
])('%o', async (selection, expected) => {
  change(0);
  const env = { FILESYSTEM: '/home', HIST: 'f', ...selection };
  const { dma } = await backUp(server.address, env);
  expect(paths(dma)).toEqual(expected);
});

test('a recovery by wildcard, below one directory', async () => {
  change(0);
  const { image, env } = await backUp(server.address, { FILESYSTEM: '/home' });
  const { dma } = await recover(server.address, image, env, [nameEntry('/*o*', '/to/found')]);
  expect(dma.recovered.map(({ status }) => status)).toEqual([0]);
  expect(readdirSync(`${target}/found`).sort()).toEqual(['goes', 'moves']);
});

test('a recovery says what is left of the image', async () => {
  writeFileSync(`${source}/file`, Buffer.alloc(3_000_000, 1));
  const { image, env } = await backUp(server.address, { FILESYSTEM: '/home' });
  const dma = await Dma.login(server.address);
  const { address, socket } = await listenForData();
  await dma.client.dataConnect(address);
  const data = await socket;
  await dma.client.startRecover({ butype: 'tar', env, names: [nameEntry('', '/to')] });
  data.write(image.subarray(0, 2_000_000));
  let state = await dma.client.getState();
  while (state.bytesProcessed < 1_000_000n) {
    await pause(10);
    state = await dma.client.getState();
  }
  const has = (bit: number): boolean => (state.unsupported & bit) === 0;
  expect(has(DATA_STATE_UNSUPPORTED.bytesRemain)).toBe(true);
  expect(state.bytesRemain).toBe(BigInt(image.length) - state.bytesProcessed);
  data.end(image.subarray(2_000_000));
  expect(await dma.halted()).toBe(DATA_HALT.successful);
  dma.client.close();
  void readAll(data).catch(() => {});
});

test('data connections go only where the server may dial', async () => {
  const flags = ['--data-peer', '192.0.2.0/24'];
  const guarded = await startServer(workspace, { home: source }, flags);
  const dma = await Dma.login(guarded.address);
  const { address } = await listenForData();
  await expect(dma.client.dataConnect(address)).rejects.toMatchObject({
    error: NDMP_ERROR.connect,
  });
  expect(dma.logText).toContain('may not go there');
  dma.client.close();
  await guarded.close();
});
