// A session whose DATA service and mover meet in the server (LOCAL), in each way and version in which they can, with a
// real backup and recovery over a tape.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  ADDR_TYPE,
  DATA_HALT,
  DATA_OPERATION,
  DATA_STATE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
  type NameEntry,
  NDMP_ERROR,
  type NdmpVersion,
  type Pval,
  U64_MAX,
} from '@tapestry/ndmp';
import { FIRST_ADDRESS } from '@tapestry/storage';
import { afterEach, describe, expect, test } from 'vitest';
import { nameEntry, variables } from './harness.ts';
import {
  EOF_MARK,
  FSF,
  type LibraryShape,
  moveTape,
  OFF,
  RDWR,
  REW,
  startTapeServer,
  TapeDma,
  type TapeStage,
} from './tape-harness.ts';

const { noError, illegalState, illegalArgs } = NDMP_ERROR;
const { read: BACKUP, write: RECOVERY } = MOVER_MODE;
const RECORD = 10_240;
const LOCAL = { type: 'local' } as const;

let server: TapeStage;
let dma: TapeDma;

async function setUp(version: NdmpVersion, shape: LibraryShape = {}): Promise<void> {
  server = await startTapeServer(shape, { exports: ['home', 'spare'] });
  const file = server.workspace.file;
  mkdirSync(file('home/sub'));
  writeFileSync(file('home/one.txt'), 'one\n');
  writeFileSync(file('home/sub/large'), Buffer.alloc(1_200_000, 'large'));
  writeFileSync(file('home/sub/zz.txt'), 'the last one\n');
  dma = await TapeDma.login(server.address, version);
  expect(await dma.open(RDWR)).toBe(noError);
  expect(await dma.error('moverSetRecordSize', { recordSize: RECORD })).toBe(noError);
}

afterEach(async () => {
  dma.leave();
  await server.close();
});

/** LISTEN by the mover and CONNECT by the data service, or the other way round. */
async function meet(mode: number, how: 'moverListens' | 'dataListens'): Promise<void> {
  if (how === 'moverListens') {
    const listen = { mode, addressType: ADDR_TYPE.local };
    expect(await dma.error('moverListen', listen)).toBe(noError);
    expect(await dma.error('dataConnect', { address: LOCAL })).toBe(noError);
  } else {
    expect(await dma.error('dataListen', { addressType: ADDR_TYPE.local })).toBe(noError);
    expect(await dma.error('moverConnect', { mode, address: LOCAL })).toBe(noError);
  }
  expect((await dma.ask('dataGetState', {})).state).toBe(DATA_STATE.connected);
  expect((await dma.ask('moverGetState', {})).state).toBe(MOVER_STATE.active);
}

const backupEnv = variables({ FILESYSTEM: '/home', HIST: 'y' });

/** The environment of the finished backup. The mover may have had to change tapes in between. */
async function backUp(onPause: () => Promise<void> = async () => {}): Promise<Pval[]> {
  expect(await dma.error('dataStartBackup', { butype: 'tar', env: backupEnv })).toBe(noError);
  await moverEnds(onPause);
  expect(await dma.dma.halted()).toBe(DATA_HALT.successful);
  const { env } = await dma.ask('dataGetEnv', {});
  await stop();
  expect(await dma.mtio(EOF_MARK)).toBe(0);
  return env ?? [];
}

async function moverEnds(onPause: () => Promise<void>): Promise<void> {
  for (;;) {
    const { notifications } = dma.dma;
    const isMovers = ({ name }: { name: string }): boolean => name.startsWith('notifyMover');
    await expect.poll(() => notifications.some(isMovers), { timeout: 30_000 }).toBe(true);
    const [told] = notifications.splice(notifications.findIndex(isMovers), 1);
    if (told?.name === 'notifyMoverHalted') {
      expect(told.body.reason).toBe(MOVER_HALT.connectClosed);
      return;
    }
    await onPause();
  }
}

async function stop(): Promise<void> {
  expect(await dma.error('dataStop', {})).toBe(noError);
  expect(await dma.error('moverStop', {})).toBe(noError);
}

async function recover(env: Pval[], names: NameEntry[], onPause?: () => Promise<void>) {
  const request = { butype: 'tar', env, names };
  expect(await dma.error('dataStartRecover', request)).toBe(noError);
  await moverEnds(onPause ?? (async () => {}));
  expect(await dma.dma.halted()).toBe(DATA_HALT.successful);
  await stop();
}

const offsetOf = (path: string): bigint =>
  dma.dma.files.find(({ name }) => name.toString() === path)?.fhInfo ?? U64_MAX;

function expectRecovered(folder: string): void {
  const at = (path: string): Buffer =>
    readFileSync(server.workspace.file(`spare/${folder}/${path}`));
  expect(at('one.txt').toString()).toBe('one\n');
  expect(at('sub/large').length).toBe(1_200_000);
  expect(at('sub/zz.txt').toString()).toBe('the last one\n');
}

describe.each(['moverListens', 'dataListens'] as const)('%s', (how) => {
  test.each<NdmpVersion>([3, 4])('there and back in version %i', async (version) => {
    await setUp(version);
    await meet(BACKUP, how);
    const env = await backUp();
    await dma.mtio(REW);
    await meet(RECOVERY, how);
    // The mover is the data service's own: no post goes out, and the DMA may not drive it.
    await recover(env, [nameEntry('/', '/spare/all')]);
    expectRecovered('all');
    await dma.mtio(REW);
    await meet(RECOVERY, how);
    const direct = [...env, ...variables({ DIRECT: 'y' })];
    await recover(direct, [nameEntry('/sub/zz.txt', '/spare/direct.txt', offsetOf('/sub/zz.txt'))]);
    // The second path of a name is the place itself in v4, and its folder before.
    const place = version === 4 ? 'spare/direct.txt' : 'spare/direct.txt/zz.txt';
    expect(readFileSync(server.workspace.file(place), 'utf8')).toBe('the last one\n');
    expect(dma.dma.notifications.some(({ name }) => name === 'notifyDataRead')).toBe(false);
  });

  test('abandoned from either side, both can be stopped and meet again', async () => {
    await setUp(4);
    await meet(BACKUP, how);
    expect(await dma.error('dataAbort', {})).toBe(noError);
    expect(await dma.dma.halted()).toBe(DATA_HALT.aborted);
    await expect
      .poll(async () => (await dma.ask('moverGetState', {})).state, { timeout: 40_000 })
      .toBe(MOVER_STATE.halted);
    await stop();
    await meet(BACKUP, how);
    expect(await dma.error('moverAbort', {})).toBe(noError);
    expect(await dma.dma.halted()).toBe(DATA_HALT.connectError);
    await stop();
    dma.dma.notifications.length = 0; // the halts of both rounds
    await meet(BACKUP, how);
    await backUp();
  });
});

test.each<NdmpVersion>([3, 4])(
  'the history is read back from the tape in version %i',
  async (version) => {
    await setUp(version);
    await meet(BACKUP, 'moverListens');
    const env = await backUp();
    const { files } = dma.dma;
    /** What the image itself tells: neither nodes nor the sizes of folders. */
    const told = () =>
      files.splice(0).map(({ name, fhInfo, stat }) => [`${name}`, fhInfo, stat.mtime]);
    const saved = told();
    expect(saved.map(([name]) => name)).toContain('/sub/zz.txt');
    await dma.mtio(REW);
    await meet(RECOVERY, 'moverListens');
    const request = { butype: 'tar', env, names: [nameEntry('', '')] };
    expect(await dma.error('dataStartRecoverFileHistory', request)).toBe(noError);
    await moverEnds(async () => {});
    expect(await dma.dma.halted()).toBe(DATA_HALT.successful);
    const { operation } = await dma.ask('dataGetState', {});
    expect(operation).toBe(DATA_OPERATION.recoverFileHistory);
    await stop();
    expect(told()).toEqual(saved);
    expect(dma.dma.recovered).toEqual([]);
  },
);

test('version 2 makes the connection with the start', async () => {
  await setUp(2);
  const listen = { addressType: ADDR_TYPE.local };
  expect(await dma.error('moverListen', { mode: BACKUP, ...listen })).toBe(noError);
  expect(await dma.error('dataConnect', { address: LOCAL })).not.toBe(noError);
  const env = await backUp();
  expect(dma.dma.files.map(({ name }) => name.toString())).toContain('/sub/zz.txt');
  await dma.mtio(REW);
  expect(await dma.error('moverListen', { mode: RECOVERY, ...listen })).toBe(noError);
  await recover(env, [nameEntry('/', '/spare/two')]);
  expectRecovered('two');
});

test('without a mover that waits there is nobody to join', async () => {
  await setUp(4);
  expect(await dma.error('dataConnect', { address: LOCAL })).toBe(illegalState);
  const address = LOCAL;
  expect(await dma.error('moverConnect', { mode: BACKUP, address })).toBe(illegalState);
  expect(await dma.error('moverConnect', { mode: 7, address })).toBe(illegalArgs);
  await meet(BACKUP, 'moverListens');
  expect(await dma.error('dataListen', { addressType: ADDR_TYPE.local })).toBe(illegalState);
});

test('over three small tapes and back, with the robot in between', async () => {
  const tape = { capacityBytes: 1 << 20, earlyWarningBytes: 300 * 1024 };
  await setUp(4, { tape });
  const { library } = server;
  const firstOffsets: bigint[] = [0n];
  const change = async (to: number): Promise<void> => {
    const from = FIRST_ADDRESS.drive;
    expect(await dma.mtio(OFF)).toBe(0);
    expect(await dma.close()).toBe(noError);
    await moveTape(library, from, FIRST_ADDRESS.slot + current);
    await moveTape(library, FIRST_ADDRESS.slot + to, from);
    current = to;
    expect(await dma.open(RDWR)).toBe(noError);
  };
  let current = 0;
  const continueAt = async (offset: bigint): Promise<void> => {
    const window = { offset, length: U64_MAX - offset };
    expect(await dma.error('moverSetWindow', window)).toBe(noError);
    expect(await dma.error('moverContinue', {})).toBe(noError);
  };
  await meet(BACKUP, 'moverListens');
  const env = await backUp(async () => {
    const { pauseReason, recordNumber } = await dma.ask('moverGetState', {});
    expect(pauseReason).toBe(MOVER_PAUSE.eom);
    expect(await dma.mtio(EOF_MARK)).toBe(0);
    await change(current + 1);
    const offset = BigInt(recordNumber ?? 0) * BigInt(RECORD);
    firstOffsets.push(offset);
    await continueAt(offset);
  });
  expect(firstOffsets.length).toBe(2);
  await change(0);
  await dma.mtio(REW);
  expect(await dma.mtio(FSF, 9)).toBe(8);
  await dma.mtio(REW);
  await meet(RECOVERY, 'dataListens');
  await recover(env, [nameEntry('/', '/spare/spanned')], async () => {
    await change(current + 1);
    await continueAt(firstOffsets[current] as bigint);
  });
  expectRecovered('spanned');
});
