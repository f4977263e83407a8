// NDMJOB's phases T-WRITE, T-READ and T-MTIO, which its stock binary cannot reach: nine files of many record sizes,
// with the position checked after every step, in all versions.

import { NDMP_ERROR, type NdmpVersion, U32_MAX } from '@tapestry/ndmp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  BSF,
  BSR,
  EOF_MARK,
  FSF,
  FSR,
  RDWR,
  READ,
  REW,
  startTapeServer,
  TapeDma,
  type TapeStage,
} from './tape-harness.ts';

/** Records times size, file by file. */
const FILES: readonly (readonly [number, number])[] = [
  [1, 512],
  [100, 1024],
  [1, 512],
  [100, 139],
  [1, 512],
  [99, 10_240],
  [1, 512],
  [3, 32_768],
  [1, 512],
];

/** Cells of 8 bytes with the number of the file, of the cell and of the record, cut at the record's end. */
function record(file: number, number: number, size: number): Buffer {
  const cells = Buffer.alloc(Math.ceil(size / 8) * 8);
  for (let cell = 0; cell * 8 < size; cell++) {
    cells.writeUInt16LE(file, cell * 8);
    cells.writeUInt16LE(cell & 0xffff, cell * 8 + 2);
    cells.writeUInt32LE(number, cell * 8 + 4);
  }
  return cells.subarray(0, size);
}

let server: TapeStage;

beforeAll(async () => {
  server = await startTapeServer();
});
afterAll(() => server?.close());

describe.each<NdmpVersion>([2, 3, 4])('version %i', (version) => {
  const crosses = version < 4;

  /** As the series cleans up between its phases. */
  beforeEach(async () => {
    const tape = await TapeDma.login(server.address, version);
    await tape.openOnceFree(RDWR);
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.close()).toBe(NDMP_ERROR.noError);
    tape.leave();
  });

  test('T-WRITE', async () => {
    const tape = await TapeDma.login(server.address, version);
    expect(await tape.open(RDWR)).toBe(NDMP_ERROR.noError);
    for (const [file, [records, size]] of FILES.entries()) {
      expect(await tape.position()).toEqual([file, 0]);
      for (let i = 0; i < records; i++) {
        expect(await tape.write(record(file, i, size))).toBe(size);
        expect(await tape.position()).toEqual([file, i + 1]);
      }
      expect(await tape.mtio(EOF_MARK)).toBe(0);
    }
    expect(await tape.position()).toEqual([FILES.length, 0]);
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.close()).toBe(NDMP_ERROR.noError);
    tape.leave();
  });

  test('T-READ', async () => {
    const tape = await TapeDma.login(server.address, version);
    expect(await tape.open(READ)).toBe(NDMP_ERROR.noError);
    for (const [file, [records, size]] of FILES.entries()) {
      for (let i = 0; i < records; i++) {
        expect((await tape.read(size)).valueOf()).toEqual(record(file, i, size));
        expect(await tape.position()).toEqual([file, i + 1]);
      }
      expect(await tape.read(size)).toBe(NDMP_ERROR.eof);
      if (crosses) expect(await tape.position()).toEqual([file + 1, 0]);
      else {
        expect(await tape.position()).toEqual([file, U32_MAX]);
        expect(await tape.mtio(FSF)).toBe(0);
        expect(await tape.position()).toEqual([file + 1, 0]);
      }
    }
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.close()).toBe(NDMP_ERROR.noError);
    tape.leave();
  });

  test('T-MTIO', async () => {
    const tape = await TapeDma.login(server.address, version);
    expect(await tape.open(READ)).toBe(NDMP_ERROR.noError);
    for (const [file, [records, size]] of FILES.entries()) {
      expect(await tape.mtio(REW)).toBe(0);
      expect(await tape.position()).toEqual([0, 0]);
      expect(await tape.mtio(FSF, file)).toBe(0);
      expect(await tape.position()).toEqual([file, 0]);
      expect(await tape.mtio(FSR, 1_000_000)).toBe(1_000_000 - records);
      if (crosses) {
        expect(await tape.position()).toEqual([file + 1, 0]);
        expect(await tape.mtio(BSF)).toBe(0);
        expect(await tape.position()).toEqual([file, U32_MAX]);
      } else expect(await tape.position()).toEqual([file, records]);
      expect(await tape.mtio(BSR, 1_000_000)).toBe(1_000_000 - records);
      if (crosses && file > 0) {
        expect(await tape.position()).toEqual([file - 1, U32_MAX]);
        expect(await tape.mtio(FSF)).toBe(0);
      }
      expect(await tape.position()).toEqual([file, 0]);
      expect(await tape.mtio(FSR, 0)).toBe(0);
      expect(await tape.position()).toEqual([file, 0]);
      const middle = Math.floor(records / 2);
      expect(await tape.mtio(FSR, middle)).toBe(0);
      expect(await tape.position()).toEqual([file, middle]);
      expect(await tape.read(size)).toEqual(record(file, middle, size));
      expect(await tape.position()).toEqual([file, middle + 1]);
      if (middle === 0) continue;
      expect(await tape.mtio(BSR, 2)).toBe(0);
      expect(await tape.position()).toEqual([file, middle - 1]);
      expect(await tape.read(size)).toEqual(record(file, middle - 1, size));
    }
    expect(await tape.close()).toBe(NDMP_ERROR.noError);
    tape.leave();
  });
});
