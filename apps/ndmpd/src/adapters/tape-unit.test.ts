// A drive as NDMP sees it, over a library in memory: positions and residues as the conformance series asks for them,
// and the end of the tape.

import { NDMP_ERROR, TAPE_MTIO, TAPE_OPEN_MODE, TAPE_STATE_FLAGS, U32_MAX } from '@tapestry/ndmp';
import { createMemoryLibrary, FIRST_ADDRESS, type MemoryCartridge } from '@tapestry/storage';
import { beforeEach, describe, expect, test } from 'vitest';
import { CHANGER } from '../core/tape-names.ts';
import { TapeLibrary } from './tape-library.ts';
import { openTape } from './tape-open.ts';

const { noError, eof, eom, io, illegalArgs, noTapeLoaded, writeProtect, deviceBusy } = NDMP_ERROR;
const { forwardFiles, backwardFiles, forwardRecords, backwardRecords } = TAPE_MTIO;
const MIB = 1024 * 1024;

function libraryWith(cartridge: Partial<MemoryCartridge> = {}) {
  const memory = createMemoryLibrary({
    drives: 2,
    slots: 2,
    cartridges: [{ barcode: 'A00001L8', capacityBytes: 64 * MIB, ...cartridge }],
  });
  const open = (mode: number) =>
    openTape((owner) => memory.openDrive(0, owner), { grantId: 'g', serial: 'MEMORY0', mode });
  return { memory, open, library: new TapeLibrary('/nowhere', memory) };
}

async function openLoaded(cartridge?: Partial<MemoryCartridge>, mode = TAPE_OPEN_MODE.readWrite) {
  const { memory, open } = libraryWith(cartridge);
  await memory.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  const { error, drive } = await open(mode);
  if (drive === undefined) throw new Error(`open answers ${error}`);
  return drive;
}

type Unit = Awaited<ReturnType<typeof openLoaded>>;

const at = async (unit: Unit): Promise<[number, number]> => {
  const { fileNumber, blockNumber } = await unit.status();
  return [fileNumber, blockNumber];
};
const move = async (unit: Unit, operation: number, count: number, crossing = false) => {
  const { error, residualCount } = await unit.space({ operation, count, crossing });
  expect(error).toBe(noError);
  return residualCount;
};
const read = (unit: Unit, sizeBytes: number, crossing = false) =>
  unit.read({ sizeBytes, crossing });
const rewind = (unit: Unit) => move(unit, TAPE_MTIO.rewind, 1);
const mark = (unit: Unit, count = 1) => move(unit, TAPE_MTIO.writeFilemarks, count);
const write = async (unit: Unit, bytes: number): Promise<number> => {
  const { error, count } = await unit.write(Buffer.alloc(bytes, 'w'));
  expect(count).toBe(error === noError ? bytes : 0);
  return error;
};

describe('opening', () => {
  test.each([
    ['an empty drive to read', TAPE_OPEN_MODE.read, noTapeLoaded],
    ['an empty drive to write', TAPE_OPEN_MODE.readWrite, noTapeLoaded],
    ['an empty drive as it is', TAPE_OPEN_MODE.raw, noError],
  ])('%s', async (_name, mode, error) => {
    const { open } = libraryWith();
    expect((await open(mode)).error).toBe(error);
  });

  test.each([
    [TAPE_OPEN_MODE.read, noError],
    [TAPE_OPEN_MODE.readWrite, writeProtect],
    [TAPE_OPEN_MODE.raw, noError],
  ])('a protected medium in mode %i', async (mode, error) => {
    const { memory, open } = libraryWith({ writeProtected: true });
    await memory.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
    const opened = await open(mode);
    expect(opened.error).toBe(error);
    if (opened.drive === undefined) return;
    expect((await opened.drive.status()).flags & TAPE_STATE_FLAGS.writeProtected).toBeTruthy();
    expect(await write(opened.drive, 512)).toBe(writeProtect);
  });

  test('one session has a drive at a time, and a refused open leaves it free', async () => {
    const { memory, open, library } = libraryWith();
    expect((await open(TAPE_OPEN_MODE.read)).error).toBe(noTapeLoaded);
    await memory.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
    const first = await open(TAPE_OPEN_MODE.read);
    expect((await open(TAPE_OPEN_MODE.raw)).error).toBe(deviceBusy);
    await first.drive?.close('flush');
    expect((await open(TAPE_OPEN_MODE.read)).error).toBe(noError);
    expect(await library.findDrive('drive1')).toEqual({ driveIndex: 1, serial: 'MEMORY1' });
    expect(await library.findDrive('bogus')).toBeUndefined();
  });
});

describe('three files of 2, 0 and 3 records', () => {
  let unit: Unit;
  beforeEach(async () => {
    unit = await openLoaded();
    for (const records of [2, 0, 3]) {
      for (let i = 0; i < records; i++) expect(await write(unit, 1000 + i)).toBe(noError);
      if (records < 3) await mark(unit);
    }
    await rewind(unit);
  });

  // From the beginning each time: operations with their counts, then the residue of the last and the position.
  test.each<[string, [number, number][], boolean, number, [number, number]]>([
    ['FSR stays before a mark', [[forwardRecords, 100]], false, 98, [0, 2]],
    ['FSR crosses a mark in v3', [[forwardRecords, 100]], true, 98, [1, 0]],
    [
      'FSR twice',
      [
        [forwardRecords, 100],
        [forwardRecords, 7],
      ],
      false,
      7,
      [0, 2],
    ],
    ['FSF', [[forwardFiles, 2]], false, 0, [2, 0]],
    ['FSF past the end', [[forwardFiles, 9]], false, 7, [2, 3]],
    [
      'FSR to the end',
      [
        [forwardFiles, 2],
        [forwardRecords, 9],
      ],
      false,
      6,
      [2, 3],
    ],
    [
      'BSR stays behind a mark',
      [
        [forwardFiles, 9],
        [backwardRecords, 9],
      ],
      false,
      6,
      [2, 0],
    ],
    [
      'BSR crosses in v3',
      [
        [forwardFiles, 9],
        [backwardRecords, 9],
      ],
      true,
      6,
      [1, U32_MAX],
    ],
    [
      'BSR at the beginning',
      [
        [forwardRecords, 1],
        [backwardRecords, 9],
      ],
      false,
      8,
      [0, 0],
    ],
    [
      'BSF goes before the mark',
      [
        [forwardFiles, 9],
        [backwardFiles, 1],
      ],
      false,
      0,
      [1, U32_MAX],
    ],
    [
      'BSF past the beginning',
      [
        [forwardFiles, 9],
        [backwardFiles, 9],
      ],
      false,
      7,
      [0, 0],
    ],
    [
      'BSF and FSF',
      [
        [forwardFiles, 9],
        [backwardFiles, 1],
        [forwardFiles, 1],
      ],
      false,
      0,
      [2, 0],
    ],
  ])('%s', async (_name, moves, crossing, residue, position) => {
    let last = 0;
    for (const [operation, count] of moves) last = await move(unit, operation, count, crossing);
    expect(last).toBe(residue);
    expect(await at(unit)).toEqual(position);
  });

  test('a mark is met again and again, and skipped by FSF', async () => {
    expect((await read(unit, 4096)).data.length).toBe(1000);
    expect((await read(unit, 10)).data.length).toBe(10);
    for (let i = 0; i < 2; i++) {
      expect((await read(unit, 4096)).error).toBe(eof);
      expect(await at(unit)).toEqual([0, U32_MAX]);
    }
    await move(unit, forwardFiles, 1);
    expect(await at(unit)).toEqual([1, 0]);
  });

  test('in v3 a read goes over the mark that it meets', async () => {
    await move(unit, forwardRecords, 2);
    expect((await read(unit, 4096, true)).error).toBe(eof);
    expect(await at(unit)).toEqual([1, 0]);
  });

  test('the end of data is told as often as one asks', async () => {
    await move(unit, forwardFiles, 2);
    for (let i = 0; i < 3; i++) expect((await read(unit, 4096)).error).toBe(noError);
    for (let i = 0; i < 2; i++) expect((await read(unit, 4096)).error).toBe(eom);
    expect(await at(unit)).toEqual([2, 3]);
  });

  test('no record is longer than the drive can', async () => {
    expect((await read(unit, 0x80000000)).error).toBe(illegalArgs);
    expect(await write(unit, 16 * MIB)).toBe(illegalArgs);
  });

  test('an ejected medium is gone until the robot brings it back', async () => {
    await move(unit, TAPE_MTIO.eject, 1);
    expect((await read(unit, 10)).error).toBe(noTapeLoaded);
    expect(await write(unit, 10)).toBe(noTapeLoaded);
    expect(
      (await unit.space({ operation: TAPE_MTIO.testReady, count: 1, crossing: false })).error,
    ).toBe(noTapeLoaded);
    expect(await at(unit)).toEqual([U32_MAX, U32_MAX]);
    expect((await unit.close('flush')).error).toBe(noError);
    expect((await unit.close('discard')).error).toBe(noError);
  });
});

describe('the end of a tape', () => {
  const small = { capacityBytes: 100 * 1024, earlyWarningBytes: 40 * 1024 };

  test('the write that crosses early warning is taken, the next refused once, then all to the end', async () => {
    const unit = await openLoaded(small);
    const errors: number[] = [];
    for (let i = 0; i < 12; i++) errors.push(await write(unit, 10 * 1024));
    const before = errors.indexOf(eom);
    expect(errors.filter((error) => error === eom)).toHaveLength(1);
    expect(errors.slice(0, before).every((error) => error === noError)).toBe(true);
    expect(before).toBe(6);
    expect(errors.slice(before + 1)).toEqual([noError, noError, noError, io, io]);
    expect((await unit.status()).flags & TAPE_STATE_FLAGS.error).toBeTruthy();
    await rewind(unit);
    expect((await unit.status()).flags & TAPE_STATE_FLAGS.error).toBe(0);
  });

  test('filemarks behind early warning are no failure, and make the next write one', async () => {
    const unit = await openLoaded({ ...small, earlyWarningBytes: 90 * 1024 });
    expect(await write(unit, 9 * 1024)).toBe(noError);
    await mark(unit, 20);
    expect(await write(unit, 512)).toBe(eom);
    await mark(unit, 2);
    expect(await write(unit, 512)).toBe(noError);
    const { error, residualCount } = await unit.space({
      operation: TAPE_MTIO.writeFilemarks,
      count: 100_000,
      crossing: false,
    });
    expect(error).toBe(io);
    expect(residualCount).toBeGreaterThan(90_000);
  });

  test('after going back the warning is news again', async () => {
    const unit = await openLoaded(small);
    while ((await write(unit, 10 * 1024)) === noError);
    expect(await write(unit, 1024)).toBe(noError);
    await move(unit, backwardRecords, 4);
    expect(await write(unit, 30 * 1024)).toBe(noError);
    expect(await write(unit, 1024)).toBe(eom);
  });
});

describe('the robot', () => {
  const order = (hex: string) => ({
    flags: 1,
    timeoutMs: 0,
    dataInLength: 1 << 20,
    cdb: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
    dataOut: Buffer.alloc(0),
  });

  test('moves a tape into a drive, which then reports its name to both sides', async () => {
    const { library, open } = libraryWith();
    const { device } = await library.robots.open(CHANGER);
    if (device === undefined) throw new Error('the changer does not open');
    expect((await library.robots.open(CHANGER)).error).toBe(deviceBusy);
    const load = order('a5 00 0000 0400 0100 0000 00 00');
    expect(await device.executeCdb(load)).toMatchObject({ error: noError, status: 0 });
    const again = await device.executeCdb(load);
    expect([again.status, again.sense[12], again.sense[13]]).toEqual([2, 0x3b, 0x0e]);
    const { drive } = await open(TAPE_OPEN_MODE.read);
    const held = await device.executeCdb(order('a5 00 0000 0100 0400 0000 00 00'));
    expect([held.status, held.sense[12], held.sense[13]]).toEqual([2, 0x53, 2]);
    const page = (await drive?.executeCdb(order('12 01 83 00 ff 00')))?.dataIn as Buffer;
    const status = await device.executeCdb(order('b8 04 0000 0001 01 00ffff 00 00'));
    expect(status.dataIn.includes(page.subarray(4))).toBe(true);
    await device.close();
    expect((await library.robots.open(CHANGER)).error).toBe(noError);
  });

  test('a CDB that is shorter than its command is no command', async () => {
    const { library } = libraryWith();
    const { device } = await library.robots.open(CHANGER);
    expect((await device?.executeCdb(order('b8 04 00')))?.error).toBe(illegalArgs);
    expect((await device?.executeCdb(order('')))?.error).toBe(illegalArgs);
    const cut = await device?.executeCdb({ ...order('12 00 00 00 ff 00'), dataInLength: 7 });
    expect(cut?.dataIn.length).toBe(7);
    const unread = await device?.executeCdb({ ...order('12 00 00 00 ff 00'), flags: 0 });
    expect(unread?.dataIn.length).toBe(0);
  });
});
