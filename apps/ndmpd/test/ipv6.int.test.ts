// ndmpd over IPv6: control connections, data connections where the DMA agreed on the extension for them, and IPv4
// data connections beside an IPv6 control connection where it did not (docs/adr/0019).

import { mkdirSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import {
  ADDR_TYPE,
  DATA_HALT,
  DATA_STATE,
  IPV6_CLASS,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_STATE,
  NDMP_ERROR,
  U64_MAX,
} from '@tapestry/ndmp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connectTo,
  describeTree,
  listenForData,
  nameEntry,
  readAll,
  variables,
} from './harness.ts';
import { EOF_MARK, RDWR, REW, startTapeServer, TapeDma, type TapeStage } from './tape-harness.ts';

const { noError, illegalArgs } = NDMP_ERROR;
const RECORD = 10_240;
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');
if (!hasIpv6) console.warn('IPv6 tests are skipped: this host has no ::1');
let server: TapeStage;

beforeAll(async () => {
  const host = hasIpv6 ? '[::1]:0' : '127.0.0.1:0';
  server = await startTapeServer({}, { exports: ['home', 'spare'], flags: ['--listen', host] });
  const { file } = server.workspace;
  mkdirSync(file('home/sub'));
  writeFileSync(file('home/one.txt'), 'one\n');
  writeFileSync(file('home/sub/large'), Buffer.alloc(500_000, 'large'));
});
afterAll(() => server?.close());

async function agreed(): Promise<TapeDma> {
  const dma = await TapeDma.login(server.address);
  const wanted = [{ classId: IPV6_CLASS, version: 1 }];
  expect(await dma.dma.client.negotiate(wanted)).toEqual(wanted);
  return dma;
}

const backup = { butype: 'tar', env: variables({ FILESYSTEM: '/home' }) };

/** The image of a backup that sends to this socket. */
async function imageOf(dma: TapeDma, socket: Parameters<typeof readAll>[0]): Promise<Buffer> {
  const image = readAll(socket);
  expect(await dma.error('dataStartBackup', backup)).toBe(noError);
  const bytes = await image;
  expect(await dma.dma.halted()).toBe(DATA_HALT.successful);
  expect(bytes.includes('one.txt')).toBe(true);
  expect(await dma.error('dataStop', {})).toBe(noError);
  return bytes;
}

describe.skipIf(!hasIpv6)('over an IPv6 control connection', () => {
  test('a DMA that knows no extension has its data connections over IPv4', async () => {
    const dma = await TapeDma.login(server.address);
    expect(server.address).toMatch(/^\[::1\]:/);
    expect((await dma.ask('configGetConnectionType', {})).types).toEqual([
      ADDR_TYPE.tcp,
      ADDR_TYPE.local,
    ]);
    const { address } = await dma.ask('dataListen', { addressType: ADDR_TYPE.tcp });
    expect(address).toMatchObject({ type: 'tcp', endpoints: [{ host: '127.0.0.1' }] });
    await imageOf(dma, connectTo(address));
    const there = await listenForData();
    expect(await dma.error('dataConnect', { address: there.address })).toBe(noError);
    await imageOf(dma, await there.socket);
    dma.leave();
  });

  test('one that agreed on it has them over IPv6, whoever listens', async () => {
    const dma = await agreed();
    expect((await dma.ask('configGetConnectionType', {})).types).toContain(ADDR_TYPE.tcp6);
    const { address } = await dma.ask('dataListen', { addressType: ADDR_TYPE.tcp6 });
    expect(address).toMatchObject({ type: 'tcp6', endpoints: [{ host: '::1' }] });
    const socket = connectTo(address);
    await expect
      .poll(() => dma.ask('dataGetState', {}), { timeout: 30_000 })
      .toMatchObject({
        state: DATA_STATE.connected,
        address: { type: 'tcp6', endpoints: [{ host: '::1' }] },
      });
    await imageOf(dma, socket);
    const there = await listenForData('::1');
    expect(await dma.error('dataConnect', { address: there.address })).toBe(noError);
    await imageOf(dma, await there.socket);
    dma.leave();
  });

  /** A three-way backup and recovery between two sessions. */
  test.each(['mover', 'data'] as const)('three ways, where the %s service listens', async (who) => {
    const [files, tapes] = [await agreed(), await agreed()];
    await tapes.openOnceFree(RDWR);
    expect(await tapes.mtio(REW)).toBe(0);
    expect(await tapes.error('moverSetRecordSize', { recordSize: RECORD })).toBe(noError);
    await meet(files, tapes, MOVER_MODE.read, who);
    expect(await files.error('dataStartBackup', backup)).toBe(noError);
    expect(await files.dma.halted()).toBe(DATA_HALT.successful);
    const { env = [] } = await files.ask('dataGetEnv', {});
    await stop(files, tapes);
    expect(await tapes.mtio(EOF_MARK)).toBe(0);
    expect(await tapes.mtio(REW)).toBe(0);
    await meet(files, tapes, MOVER_MODE.write, who);
    files.dma.onDataRead = (offset, length) => void tapes.error('moverRead', { offset, length });
    const names = [nameEntry('/', `/spare/${who}`)];
    expect(await files.error('dataStartRecover', { butype: 'tar', env, names })).toBe(noError);
    expect(await files.dma.halted()).toBe(DATA_HALT.successful);
    await stop(files, tapes);
    expect(describeTree(server.workspace.file(`spare/${who}`))).toEqual(
      describeTree(server.workspace.file('home')),
    );
    files.leave();
    tapes.leave();
  });

  async function meet(files: TapeDma, tapes: TapeDma, mode: number, who: 'mover' | 'data') {
    const window = { offset: 0n, length: U64_MAX };
    expect(await tapes.error('moverSetWindow', window)).toBe(noError);
    const type = { addressType: ADDR_TYPE.tcp6 };
    if (who === 'mover') {
      const { address } = await tapes.ask('moverListen', { mode, ...type });
      expect(address).toMatchObject({ type: 'tcp6', endpoints: [{ host: '::1' }] });
      expect(await files.error('dataConnect', { address: address as never })).toBe(noError);
    } else {
      const { address } = await files.ask('dataListen', type);
      expect(await tapes.error('moverConnect', { mode, address: address as never })).toBe(noError);
    }
    const state = await tapes.ask('moverGetState', {});
    expect(state).toMatchObject({ address: { type: 'tcp6', endpoints: [{ host: '::1' }] } });
  }

  async function stop(files: TapeDma, tapes: TapeDma): Promise<void> {
    await expect
      .poll(() => tapes.ask('moverGetState', {}), { timeout: 30_000 })
      .toMatchObject({ state: MOVER_STATE.halted, haltReason: MOVER_HALT.connectClosed });
    expect(await files.error('dataStop', {})).toBe(noError);
    expect(await tapes.error('moverStop', {})).toBe(noError);
  }

  test('before v4 there is no word for it', async () => {
    const dma = await TapeDma.login(server.address, 3);
    expect(await dma.error('dataListen', { addressType: ADDR_TYPE.tcp6 })).toBe(illegalArgs);
    dma.leave();
  });
});
