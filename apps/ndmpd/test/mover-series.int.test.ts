// NDMJOB's series test-mover, all 100 steps, in the versions in which its own server cannot pass it too.

import {
  ADDR_TYPE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
  NDMP_ERROR,
  type NdmpVersion,
} from '@tapestry/ndmp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RDWR, READ, startTapeServer, TapeDma, type TapeStage } from './tape-harness.ts';

const { noError, illegalState, illegalArgs, deviceNotOpen, permission } = NDMP_ERROR;
const { idle, listen, halted } = MOVER_STATE;
const RECORD_BYTES = 10_240;

let server: TapeStage;
let dma: TapeDma;

beforeAll(async () => {
  server = await startTapeServer();
});
afterAll(() => server?.close());

/** State and reasons, which must be NA where they mean nothing. */
async function expectState(state: number, haltReason: number = MOVER_HALT.na): Promise<void> {
  const now = await dma.ask('moverGetState', {});
  expect(now).toMatchObject({ error: noError, state, haltReason, pauseReason: MOVER_PAUSE.na });
}

const listenFor = (mode: number, addressType: number) =>
  dma.ask('moverListen', { mode, addressType });
const setWindow = () => dma.error('moverSetWindow', { offset: 0n, length: 0n });
const setRecordSize = () => dma.error('moverSetRecordSize', { recordSize: RECORD_BYTES });
const plain = (name: 'moverContinue' | 'moverAbort' | 'moverStop' | 'moverClose') =>
  dma.error(name, {});

const WAYS = [MOVER_MODE.read, MOVER_MODE.write].flatMap((mode) =>
  [ADDR_TYPE.local, ADDR_TYPE.tcp].map((addressType) => [mode, addressType] as const),
);

describe.each<NdmpVersion>([2, 3, 4])('version %i', (version) => {
  beforeEach(async () => {
    dma = await TapeDma.login(server.address, version);
  });
  afterEach(() => dma.leave());

  test('M-IDLE', async () => {
    await expectState(idle);
    for (const name of ['moverContinue', 'moverAbort', 'moverStop', 'moverClose'] as const) {
      expect(await plain(name)).toBe(illegalState);
    }
    expect(await setWindow()).toBe(noError);
    expect(await setRecordSize()).toBe(noError);
  });

  test('M-LISTEN: arguments, and a drive that is not open', async () => {
    await expectState(idle);
    expect(await setRecordSize()).toBe(noError);
    expect(await setWindow()).toBe(noError);
    expect((await listenFor(123, ADDR_TYPE.local)).error).toBe(illegalArgs);
    expect((await listenFor(MOVER_MODE.read, 123)).error).toBe(illegalArgs);
    for (const [mode, addressType] of WAYS) {
      await expectState(idle);
      expect((await listenFor(mode, addressType)).error).toBe(deviceNotOpen);
    }
  });

  async function block(mode: number, addressType: number): Promise<void> {
    await expectState(idle);
    const { error, address } = await listenFor(mode, addressType);
    expect(error).toBe(noError);
    expect(address?.type).toBe(addressType === ADDR_TYPE.local ? 'local' : 'tcp');
    await expectState(listen);
    expect((await listenFor(mode, addressType)).error).toBe(illegalState);
    expect(await plain('moverContinue')).toBe(illegalState);
    expect(await plain('moverStop')).toBe(illegalState);
    expect(await setWindow()).toBe(version === 4 ? illegalState : noError);
    expect(await setRecordSize()).toBe(illegalState);
    expect(await plain('moverAbort')).toBe(noError);
    await expectState(halted, MOVER_HALT.aborted);
    expect(await plain('moverStop')).toBe(noError);
    await expectState(idle);
  }

  test('M-LISTEN: a tape that is open to be read', async () => {
    expect(await dma.open(READ)).toBe(noError);
    for (const [mode, addressType] of WAYS) {
      if (mode === MOVER_MODE.write) await block(mode, addressType);
      else {
        await expectState(idle);
        expect((await listenFor(mode, addressType)).error).toBe(permission);
      }
    }
    expect(await dma.close()).toBe(noError);
  });

  test('M-LISTEN: a tape that is open to be written', async () => {
    expect(await dma.open(RDWR)).toBe(noError);
    for (const [mode, addressType] of WAYS) await block(mode, addressType);
    expect(await dma.close()).toBe(noError);
  });
});
