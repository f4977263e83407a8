// The TAPE service over a virtual library, step by step as NDMJOB's series test-tape asks: its phases T-OC, T-BGS, T-BW,
// T-BR and T-BWR in all versions. The stock binary cannot get beyond step 23 of T-BWR; this goes to the end.

import { writeFileSync } from 'node:fs';
import {
  ADDR_TYPE,
  MOVER_MODE,
  NDMP_ERROR,
  type NdmpVersion,
  TAPE_STATE_FLAGS,
  U32_MAX,
} from '@tapestry/ndmp';
import { FIRST_ADDRESS } from '@tapestry/storage';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeWorkspace, startServer } from './harness.ts';
import {
  BSF,
  BSR,
  EOF_MARK,
  FSF,
  FSR,
  moveTape,
  OFF,
  RAW,
  RDWR,
  READ,
  REW,
  startTapeServer,
  TapeDma,
  type TapeStage,
  TUR,
} from './tape-harness.ts';

const { noError, eof, eom, illegalArgs, permission, deviceNotOpen, deviceOpened, noDevice } =
  NDMP_ERROR;
const { noTapeLoaded, deviceBusy, writeProtect, notSupported, precondition } = NDMP_ERROR;

let server: TapeStage;
let tape: TapeDma;

beforeAll(async () => {
  server = await startTapeServer();
});
afterAll(() => server?.close());

const bytes = (count: number, first = 0): Buffer =>
  Buffer.from(Array.from({ length: count }, (_, i) => (i + first) & 255));

describe.each<NdmpVersion>([2, 3, 4])('version %i', (version) => {
  const endOfData = version === 4 ? eom : eof;
  beforeEach(async () => {
    tape = await TapeDma.login(server.address, version);
    await tape.openOnceFree(RDWR);
    await tape.mtio(REW);
    await tape.close();
  });
  afterEach(() => tape.leave());

  test('T-OC: opening and closing', async () => {
    expect(await tape.close()).toBe(deviceNotOpen);
    expect(await tape.open(READ, 'bogus')).toBe(noDevice);
    expect(await tape.open(123)).toBe(illegalArgs);
    expect(await tape.open(READ)).toBe(noError);
    expect(await tape.close()).toBe(noError);
    expect(await tape.open(RDWR)).toBe(noError);
    expect(await tape.open(READ)).toBe(deviceOpened);
    expect(await tape.close()).toBe(noError);
  });

  test('T-BGS: state', async () => {
    expect(await tape.error('tapeGetState', {})).toBe(deviceNotOpen);
    expect(await tape.open(READ)).toBe(noError);
    expect(await tape.position()).toEqual([0, 0]);
    expect(await tape.close()).toBe(noError);
  });

  test('T-BW and T-BR: one record, written and read in all sizes', async () => {
    expect(await tape.write(bytes(1024))).toBe(-deviceNotOpen);
    expect(await tape.open(READ)).toBe(noError);
    expect(await tape.write(bytes(1024))).toBe(-permission);
    expect(await tape.mtio(EOF_MARK)).toBe(-permission);
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.close()).toBe(noError);
    expect(await tape.open(RDWR)).toBe(noError);
    expect(await tape.write(bytes(0))).toBe(0);
    expect(await tape.write(bytes(1024))).toBe(1024);
    expect(await tape.mtio(EOF_MARK)).toBe(0);
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.close()).toBe(noError);

    expect(await tape.read(1024)).toBe(deviceNotOpen);
    expect(await tape.open(READ)).toBe(noError);
    expect(await tape.read(0)).toEqual(bytes(0));
    expect(await tape.read(0x80000000)).toBe(illegalArgs);
    for (const [size, got] of [
      [1024, 1024],
      [2048, 1024],
      [512, 512],
    ] as const) {
      expect(await tape.mtio(REW)).toBe(0);
      expect(await tape.read(size)).toEqual(bytes(got));
      expect(await tape.read(size)).toBe(eof);
    }
    expect(await tape.close()).toBe(noError);
  });

  test('T-BWR: residues, and the end of data', async () => {
    expect(await tape.open(RDWR)).toBe(noError);
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.mtio(BSR, 100)).toBe(100);
    expect(await tape.mtio(BSF, 100)).toBe(100);
    expect(await tape.mtio(EOF_MARK)).toBe(0);
    expect(await tape.mtio(BSF, 100)).toBe(99);
    expect(await tape.mtio(FSF, 100)).toBe(99);
    expect(await tape.read(65536)).toBe(endOfData);
    expect(await tape.read(1024)).toBe(endOfData);
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.write(bytes(512))).toBe(512);
    expect(await tape.mtio(BSR, 100)).toBe(99);
    expect(await tape.mtio(FSR, 100)).toBe(99);
    expect(await tape.mtio(FSR, 100)).toBe(100);
    expect(await tape.mtio(FSF, 100)).toBe(100);
    expect(await tape.close()).toBe(noError);
    for (const size of [1024, 65536]) {
      expect(await tape.open(RDWR)).toBe(noError);
      expect(await tape.mtio(REW)).toBe(0);
      expect(await tape.write(bytes(1024, -4))).toBe(1024);
      expect(await tape.mtio(EOF_MARK)).toBe(0);
      expect(await tape.close()).toBe(noError);
      expect(await tape.open(RDWR)).toBe(noError);
      expect(await tape.mtio(REW)).toBe(0);
      expect(await tape.read(size)).toEqual(bytes(1024, -4));
      expect(await tape.read(1024)).toBe(eof);
      if (version === 4) expect(await tape.mtio(FSF)).toBe(0);
      expect(await tape.read(1024)).toBe(endOfData);
      expect(await tape.close()).toBe(noError);
    }
  });

  test('a filemark is written for a DMA that forgets it, before it rewinds or closes', async () => {
    await tape.open(RDWR);
    await tape.write(bytes(100));
    expect(await tape.mtio(REW)).toBe(0);
    expect(await tape.mtio(FSF, 9)).toBe(8);
    await tape.write(bytes(100));
    await tape.close();
    await tape.open(READ);
    await tape.mtio(REW);
    expect(await tape.mtio(FSF, 9)).toBe(7);
  });

  test('a count of 0 moves nothing, and an operation that there is not is refused', async () => {
    await tape.open(RDWR);
    for (const operation of [FSF, BSF, FSR, BSR, EOF_MARK]) {
      expect(await tape.mtio(operation, 0)).toBe(0);
    }
    expect(await tape.position()).toEqual([0, 0]);
    expect(await tape.mtio(8)).toBe(-illegalArgs);
    expect(await tape.mtio(TUR)).toBe(version === 4 ? 0 : -illegalArgs);
  });
});

describe('drives and media', () => {
  beforeEach(async () => {
    tape = await TapeDma.login(server.address);
    await tape.openOnceFree(READ);
    expect(await tape.close()).toBe(noError);
  });
  afterEach(() => tape.leave());

  test('a session has one device, a device one session, and the loss of a session frees it', async () => {
    const other = await TapeDma.login(server.address);
    expect(await tape.open(READ)).toBe(noError);
    expect(await other.open(READ)).toBe(deviceBusy);
    expect(await tape.error('scsiOpen', { device: 'changer0' })).toBe(deviceOpened);
    tape.leave();
    await other.openOnceFree(READ);
    other.leave();
  });

  test('a tape stays where it is when its drive is closed, and until it leaves it', async () => {
    expect(await tape.open(RDWR)).toBe(noError);
    expect(await tape.mtio(REW)).toBe(0);
    for (const marks of [2, 1]) {
      expect(await tape.write(bytes(512))).toBe(512);
      expect(await tape.mtio(EOF_MARK, marks)).toBe(0);
    }
    expect(await tape.write(bytes(100))).toBe(100);
    expect(await tape.close()).toBe(noError); // writes the mark that is owed
    expect(await tape.open(READ)).toBe(noError);
    expect(await tape.position()).toEqual([4, 0]);
    expect(await tape.mtio(BSF, 2)).toBe(0);
    expect(await tape.mtio(BSR)).toBe(0);
    tape.leave();
    tape = await TapeDma.login(server.address);
    await tape.openOnceFree(RDWR);
    expect(await tape.position()).toEqual([2, 0]);
    expect(await tape.read(1024)).toEqual(bytes(512));
    expect(await tape.close()).toBe(noError);

    const robot = await TapeDma.login(server.address);
    expect(await robot.error('scsiOpen', { device: 'changer0' })).toBe(noError);
    const { slot, drive } = FIRST_ADDRESS;
    for (const [from, to] of [
      [drive, slot],
      [slot, drive],
    ] as const) {
      const cdb = Buffer.alloc(12);
      cdb[0] = 0xa5;
      cdb.writeUInt16BE(from, 4);
      cdb.writeUInt16BE(to, 6);
      const order = { flags: 0, timeoutMs: 60_000, dataInLength: 0, cdb, dataOut: bytes(0) };
      expect(await robot.ask('scsiExecuteCdb', order)).toMatchObject({ error: noError, status: 0 });
    }
    robot.leave();
    expect(await tape.open(READ)).toBe(noError);
    expect(await tape.position()).toEqual([0, 0]);
    expect(await tape.close()).toBe(noError);
  });

  test('an empty drive opens only as it is, and takes a tape meanwhile', async () => {
    expect(await tape.open(READ, 'drive1')).toBe(noTapeLoaded);
    expect(await tape.open(RDWR, 'drive1')).toBe(noTapeLoaded);
    expect(await tape.open(RAW, 'drive1')).toBe(noError);
    expect(await tape.mtio(TUR)).toBe(-noTapeLoaded);
    expect(await tape.position()).toEqual([U32_MAX, U32_MAX]);
    await moveTape(server.library, FIRST_ADDRESS.slot + 1, FIRST_ADDRESS.drive + 1);
    expect(await tape.mtio(TUR)).toBe(0);
    expect(await tape.write(bytes(64))).toBe(64);
    expect(await tape.mtio(OFF)).toBe(0);
    expect(await tape.mtio(REW)).toBe(-noTapeLoaded);
    await moveTape(server.library, FIRST_ADDRESS.drive + 1, FIRST_ADDRESS.slot + 1);
    expect(await tape.close()).toBe(noError);
  });

  test('records up to 1 MiB come back whole', async () => {
    await tape.open(RDWR);
    await tape.mtio(REW);
    for (const size of [1, 63, 64, 65, 65_536, 1_048_576]) {
      expect(await tape.write(bytes(size))).toBe(size);
    }
    await tape.mtio(REW);
    for (const size of [1, 63, 64, 65, 65_536, 1_048_576]) {
      expect((await tape.read(1_048_576)) as Buffer).toHaveLength(size);
    }
    expect(await tape.read(1)).toBe(eof);
  });

  test('TAPE_EXECUTE_CDB asks the drive', async () => {
    const inquiry = { flags: 1, timeoutMs: 1000, dataInLength: 36, dataOut: Buffer.alloc(0) };
    const cdb = Buffer.from('120000002400', 'hex');
    expect(await tape.error('tapeExecuteCdb', { ...inquiry, cdb })).toBe(deviceNotOpen);
    await tape.open(READ);
    const { status, dataIn } = await tape.ask('tapeExecuteCdb', { ...inquiry, cdb });
    expect([status, dataIn?.[0], dataIn?.subarray(8, 29).toString()]).toEqual([
      0,
      1,
      'TAPESTRYVIRTUAL DRIVE',
    ]);
    const rewind = Buffer.from('010000000000', 'hex');
    const refused = await tape.ask('tapeExecuteCdb', { ...inquiry, cdb: rewind });
    expect([refused.status, refused.sense?.[2], refused.sense?.[12]]).toEqual([2, 5, 0x20]);
  });
});

test('a protected tape is read, not written', async () => {
  const own = await startTapeServer({ tape: { writeProtected: true } });
  const dma = await TapeDma.login(own.address);
  expect(await dma.open(RDWR)).toBe(writeProtect);
  expect(await dma.open(RAW)).toBe(noError);
  expect(await dma.write(bytes(10))).toBe(-writeProtect);
  expect(await dma.mtio(EOF_MARK)).toBe(-writeProtect);
  dma.leave();
  await own.close();
});

test('a medium that cannot be read opens only as it is, and says so', async () => {
  const before = (library: string): void =>
    writeFileSync(`${library}/cartridges/T00001L8/cartridge.json`, '{ no');
  const own = await startTapeServer({}, { before });
  const dma = await TapeDma.login(own.address);
  expect(await dma.open(READ)).toBe(NDMP_ERROR.io);
  expect(await dma.open(RAW)).toBe(noError);
  const { error, flags = 0 } = await dma.ask('tapeGetState', {});
  expect([error, flags & TAPE_STATE_FLAGS.error]).toEqual([noError, TAPE_STATE_FLAGS.error]);
  expect(await dma.mtio(REW)).toBe(-NDMP_ERROR.io);
  const ready = { flags: 0, timeoutMs: 0, dataInLength: 0, dataOut: Buffer.alloc(0) };
  const { sense } = await dma.ask('tapeExecuteCdb', { ...ready, cdb: Buffer.alloc(6) });
  expect([sense?.[2], sense?.[12]]).toEqual([3, 0x30]);
  dma.leave();
  await own.close();
});

test('by the letter: a filemark before every motion, and a mover that wants to be told first', async () => {
  const own = await startTapeServer({}, { flags: ['--strict'] });
  const dma = await TapeDma.login(own.address);
  expect(await dma.write(bytes(0))).toBe(-deviceNotOpen);
  expect(await dma.open(RDWR)).toBe(noError);
  expect(await dma.write(bytes(512))).toBe(512);
  expect(await dma.mtio(BSR, 9)).toBe(9); // behind the mark that was written for it
  expect(await dma.position()).toEqual([1, 0]);
  expect(await dma.error('moverSetWindow', { offset: 0n, length: 0n })).toBe(illegalArgs);
  const listen = { mode: MOVER_MODE.read, addressType: ADDR_TYPE.tcp };
  expect(await dma.error('moverListen', listen)).toBe(precondition);
  dma.leave();
  await own.close();
});

test('a server without a library has no tape service', async () => {
  const place = makeWorkspace();
  const own = await startServer(place, { home: place.path });
  const dma = await TapeDma.login(own.address);
  expect(await dma.open(READ)).toBe(notSupported);
  expect(await dma.error('scsiOpen', { device: 'changer0' })).toBe(notSupported);
  expect(await dma.error('moverGetState', {})).toBe(notSupported);
  expect(await dma.error('configGetTapeInfo', {})).toBe(notSupported);
  dma.leave();
  await own.close();
  place.remove();
});
