// The SCSI service over a virtual library: a DMA that looks at the robot, moves tapes and shares it with others.

import { NDMP_ERROR } from '@tapestry/ndmp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RDWR, startTapeServer, TapeDma, type TapeStage } from './tape-harness.ts';

const { noError, deviceNotOpen, deviceOpened, deviceBusy, noDevice, notSupported, illegalArgs } =
  NDMP_ERROR;
let server: TapeStage;
let robot: TapeDma;

beforeAll(async () => {
  server = await startTapeServer({ loaded: 0 });
});
afterAll(() => server?.close());
beforeEach(async () => {
  robot = await TapeDma.login(server.address);
});
afterEach(() => robot.leave());

const open = (dma: TapeDma) => dma.error('scsiOpen', { device: 'changer0' });
const command = (hex: string, flags = 1, dataInLength = 65_536) => ({
  flags,
  timeoutMs: 60_000,
  dataInLength,
  cdb: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
  dataOut: Buffer.alloc(0),
});
const execute = (hex: string, flags?: number, dataInLength?: number) =>
  robot.ask('scsiExecuteCdb', command(hex, flags, dataInLength));

/** Status, key, ASC and ASCQ. */
async function resultOf(hex: string): Promise<number[]> {
  const { error, status = -1, sense } = await execute(hex);
  expect(error).toBe(noError);
  return sense?.length ? [status, sense[2], sense[12], sense[13]].map(Number) : [status];
}

/** Barcodes by address, from the voltags of READ ELEMENT STATUS of one type. */
async function barcodes(type: number): Promise<Record<number, string>> {
  const { dataIn } = await execute(`b8 ${(0x10 | type).toString(16)} 0000 ffff 00 00ffff 00 00`);
  const report = dataIn as Buffer;
  const found: Record<number, string> = {};
  const length = report.readUInt16BE(8 + 2);
  for (let at = 16; at < report.length; at += length) {
    const barcode = report.toString('ascii', at + 12, at + 44).trim();
    if ((report[at + 2] as number) & 1) found[report.readUInt16BE(at)] = barcode;
  }
  return found;
}

test('without an open device there is nothing to do', async () => {
  expect(await robot.error('scsiClose', {})).toBe(deviceNotOpen);
  expect(await robot.error('scsiGetState', {})).toBe(deviceNotOpen);
  expect(await robot.error('scsiResetDevice', {})).toBe(deviceNotOpen);
  expect((await execute('000000000000', 0)).error).toBe(deviceNotOpen);
});

test('one device a session, one session a device', async () => {
  expect(await robot.error('scsiOpen', { device: 'sda' })).toBe(noDevice);
  expect(await open(robot)).toBe(noError);
  expect(await open(robot)).toBe(deviceOpened);
  expect(await robot.open(RDWR)).toBe(deviceOpened);
  const other = await TapeDma.login(server.address);
  expect(await open(other)).toBe(deviceBusy);
  robot.leave();
  await expect.poll(() => open(other), { timeout: 30_000 }).toBe(noError);
  other.leave();
});

test('state has no numbers to tell, a reset changes nothing', async () => {
  await open(robot);
  expect(await robot.error('scsiGetState', {})).toBe(notSupported);
  expect(await robot.error('scsiResetDevice', {})).toBe(noError);
});

test('commands: arguments, allocation, sense', async () => {
  await open(robot);
  expect((await execute('12 00 00 00 24 00', 3)).error).toBe(illegalArgs);
  expect((await execute('')).error).toBe(illegalArgs);
  expect((await execute('b8 00 00')).error).toBe(illegalArgs);
  const inquiry = await execute('12 00 00 00 80 00', 1, 20);
  expect([inquiry.dataIn?.length, inquiry.dataIn?.[0]]).toEqual([20, 8]);
  expect(await resultOf('00 00 00 00 00 00')).toEqual([0]);
  expect(await resultOf('a6 00 0000 0400 0401 0402 00 00')).toEqual([2, 5, 0x20, 0]);
});

describe('moves', () => {
  test('a tape goes to a drive and back, and cannot leave one that is in use', async () => {
    await open(robot);
    expect(await barcodes(2)).toMatchObject({ 1024: 'T00001L8', 1025: 'T00002L8' });
    expect(await resultOf('a5 00 0000 0400 0100 0000 00 00')).toEqual([0]);
    expect(await barcodes(4)).toEqual({ 256: 'T00001L8' });
    expect(await resultOf('a5 00 0000 0401 0100 0000 00 00')).toEqual([2, 5, 0x3b, 0x0d]);
    expect(await resultOf('a5 00 0000 0400 0101 0000 00 00')).toEqual([2, 5, 0x3b, 0x0e]);
    const tape = await TapeDma.login(server.address);
    expect(await tape.open(RDWR)).toBe(noError);
    expect(await resultOf('a5 00 0000 0100 0400 0000 00 00')).toEqual([2, 5, 0x53, 2]);
    expect(await tape.close()).toBe(noError);
    expect(await resultOf('a5 00 0000 0100 0400 0000 00 00')).toEqual([0]);
    expect(await barcodes(4)).toEqual({});
    expect(await resultOf('07 00 00 00 00 00')).toEqual([0]);
    tape.leave();
  });
});
