// The mover between a TCP connection and a tape: records, windows, the pauses and how they end, and the way out of
// every state. The test is the DATA server.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  ADDR_TYPE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
  NDMP_ERROR,
  type NdmpVersion,
  U64_MAX,
} from '@tapestry/ndmp';
import { FIRST_ADDRESS } from '@tapestry/storage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectTo, readAll } from './harness.ts';
import {
  EOF_MARK,
  FSF,
  type LibraryShape,
  moveTape,
  OFF,
  RDWR,
  READ,
  REW,
  startTapeServer,
  TapeDma,
  type TapeStage,
} from './tape-harness.ts';

const { noError, illegalState, deviceBusy } = NDMP_ERROR;
const RECORD = 10_240;
const KIB = 1024;

let server: TapeStage;
let dma: TapeDma;

async function setUp(shape: LibraryShape = {}, version: NdmpVersion = 4): Promise<void> {
  server = await startTapeServer(shape);
  dma = await TapeDma.login(server.address, version);
}

afterEach(async () => {
  dma.leave();
  await server.close();
});

const stream = (bytes: number, first = 0): Buffer =>
  Buffer.from(
    Array.from({ length: bytes }, (_, i) => ((i + first) * 7 + ((i + first) >> 9)) & 255),
  );

/** A mover that listens, and a connection to it. */
async function join(
  mode: number,
  offset = 0n,
  length = U64_MAX,
  recordSize = RECORD,
): Promise<Socket> {
  expect(await dma.error('moverSetRecordSize', { recordSize })).toBe(noError);
  const window = { offset, length };
  if (dma.dma.client.version === 4) expect(await dma.error('moverSetWindow', window)).toBe(noError);
  const { address } = await dma.ask('moverListen', { mode, addressType: ADDR_TYPE.tcp });
  if (dma.dma.client.version < 4) expect(await dma.error('moverSetWindow', window)).toBe(noError);
  const socket = connectTo(address);
  await once(socket, 'connect');
  await expect
    .poll(async () => (await state()).state, { timeout: 30_000 })
    .toBe(MOVER_STATE.active);
  return socket;
}

const state = () => dma.ask('moverGetState', {});

/** The next halt or pause that was posted. */
async function next(): Promise<{ name: string; reason: number; seekPosition?: bigint }> {
  const { notifications } = dma.dma;
  const isMovers = ({ name }: { name: string }): boolean => name.startsWith('notifyMover');
  await expect.poll(() => notifications.some(isMovers), { timeout: 30_000 }).toBe(true);
  const [found] = notifications.splice(notifications.findIndex(isMovers), 1);
  return { name: found?.name as string, ...(found?.body as { reason: number }) };
}

const halt = (reason: number) => ({ name: 'notifyMoverHalted', reason });
const pause = (reason: number) => ({ name: 'notifyMoverPaused', reason });

/** All records of the file that the tape stands in. */
async function readFile(): Promise<Buffer> {
  const records: Buffer[] = [];
  for (;;) {
    const record = await dma.read(RECORD);
    if (typeof record === 'number') return Buffer.concat(records);
    records.push(record);
  }
}

async function writeImage(image: Buffer): Promise<void> {
  for (let at = 0; at < image.length; at += RECORD) {
    const record = Buffer.alloc(RECORD);
    image.copy(record, 0, at);
    expect(await dma.write(record)).toBe(RECORD);
  }
}

async function swapTape(from: number, to: number, mode: number = RDWR): Promise<void> {
  expect(await dma.mtio(OFF)).toBe(0);
  expect(await dma.close()).toBe(noError);
  await moveTape(server.library, FIRST_ADDRESS.drive, FIRST_ADDRESS.slot + from);
  await moveTape(server.library, FIRST_ADDRESS.slot + to, FIRST_ADDRESS.drive);
  expect(await dma.open(mode)).toBe(noError);
}

describe('stream to tape', () => {
  test('whole records, the last one filled up, and a filemark for whoever forgets it', async () => {
    await setUp();
    await dma.open(RDWR);
    const socket = await join(MOVER_MODE.read);
    const image = stream(5 * RECORD + 77);
    socket.end(image);
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
    expect(await state()).toMatchObject({ state: MOVER_STATE.halted, recordNumber: 6 });
    expect((await state()).bytesMoved).toBe(BigInt(image.length));
    expect(await dma.error('moverStop', {})).toBe(noError);
    expect(await dma.position()).toEqual([0, 6]);
    expect(await dma.mtio(REW)).toBe(0);
    const onTape = await readFile();
    expect(onTape.length).toBe(6 * RECORD);
    expect(onTape.subarray(0, image.length).equals(image)).toBe(true);
    expect(onTape.subarray(image.length).every((byte) => byte === 0)).toBe(true);
    expect(await dma.mtio(FSF, 5)).toBe(4);
  });

  test('nothing at all makes no record', async () => {
    await setUp();
    await dma.open(RDWR);
    (await join(MOVER_MODE.read)).end();
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
    expect(await dma.position()).toEqual([0, 0]);
  });

  test('the tape is the mover’s while it runs', async () => {
    await setUp();
    await dma.open(RDWR);
    const socket = await join(MOVER_MODE.read);
    expect(await dma.mtio(REW)).toBe(-deviceBusy);
    expect(await dma.read(10)).toBe(deviceBusy);
    expect(await dma.write(stream(10))).toBe(-deviceBusy);
    expect(await dma.close()).toBe(deviceBusy);
    socket.write(stream(RECORD));
    await expect.poll(() => dma.position(), { timeout: 30_000 }).toEqual([0, 1]);
    socket.end();
    await next();
  });

  test('a window of three records pauses at the fourth, and not before', async () => {
    await setUp();
    await dma.open(RDWR);
    const size = BigInt(3 * RECORD);
    const socket = await join(MOVER_MODE.read, 0n, size);
    const image = stream(6 * RECORD);
    socket.end(image);
    expect(await next()).toMatchObject(pause(MOVER_PAUSE.eow));
    expect(await dma.mtio(EOF_MARK)).toBe(0);
    expect(await dma.error('moverSetWindow', { offset: size, length: size })).toBe(noError);
    expect(await dma.error('moverContinue', {})).toBe(noError);
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
    await dma.mtio(REW);
    expect((await readFile()).equals(image.subarray(0, 3 * RECORD))).toBe(true);
    await dma.mtio(FSF);
    expect((await readFile()).equals(image.subarray(3 * RECORD))).toBe(true);
  });

  test('a full tape pauses; the refused record goes first onto the next one', async () => {
    const tape = { capacityBytes: 1024 * KIB, earlyWarningBytes: 200 * KIB };
    await setUp({ tape });
    await dma.open(RDWR);
    const socket = await join(MOVER_MODE.read);
    const image = stream(150 * RECORD + 1);
    socket.end(image);
    const parts: Buffer[] = [];
    for (let tapeNumber = 0; ; tapeNumber++) {
      const told = await next();
      await dma.mtio(EOF_MARK);
      await dma.mtio(REW);
      parts.push(await readFile());
      if (told.name === 'notifyMoverHalted') break;
      expect(told).toMatchObject(pause(MOVER_PAUSE.eom));
      const { recordNumber } = await state();
      await swapTape(tapeNumber, tapeNumber + 1);
      const offset = BigInt(recordNumber as number) * BigInt(RECORD);
      expect(told.seekPosition).toBe(offset);
      const window = { offset, length: U64_MAX - offset };
      expect(await dma.error('moverSetWindow', window)).toBe(noError);
      expect(await dma.error('moverContinue', {})).toBe(noError);
    }
    expect(parts.length).toBeGreaterThan(1);
    expect(Buffer.concat(parts).subarray(0, image.length).equals(image)).toBe(true);
    expect((await state()).bytesMoved).toBe(BigInt(image.length));
  });

  test('abort ends the connection at once and leaves the tape to the DMA', async () => {
    await setUp();
    await dma.open(RDWR);
    const socket = await join(MOVER_MODE.read);
    const gone = once(socket, 'close');
    socket.write(stream(2 * RECORD + 5));
    await expect.poll(() => dma.position(), { timeout: 30_000 }).toEqual([0, 2]);
    expect(await dma.error('moverAbort', {})).toBe(noError);
    expect(await next()).toMatchObject(halt(MOVER_HALT.aborted));
    socket.end();
    await gone;
    expect(await dma.error('moverStop', {})).toBe(noError);
    expect(await dma.mtio(EOF_MARK)).toBe(0);
    expect(await dma.position()).toEqual([1, 0]);
  });

  test('a broken connection halts with CONNECT_ERROR', async () => {
    await setUp();
    await dma.open(RDWR);
    (await join(MOVER_MODE.read)).resetAndDestroy();
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectError));
  });

  test('the mover dials as well', async () => {
    await setUp();
    await dma.open(RDWR);
    const listener = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const bound = listener.address();
    const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0;
    listener.once('connection', (socket) => socket.end(stream(RECORD)));
    await dma.error('moverSetRecordSize', { recordSize: RECORD });
    const address = { type: 'tcp' as const, endpoints: [{ host: '127.0.0.1', port, env: [] }] };
    expect(await dma.error('moverConnect', { mode: MOVER_MODE.read, address })).toBe(noError);
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
    expect(await dma.position()).toEqual([0, 1]);
    await dma.error('moverStop', {});
    listener.close();
    const nobody = { type: 'tcp' as const, endpoints: [{ host: '127.0.0.1', port: 1, env: [] }] };
    expect(await dma.error('moverConnect', { mode: MOVER_MODE.read, address: nobody })).toBe(
      NDMP_ERROR.connect,
    );
    expect((await state()).state).toBe(MOVER_STATE.idle);
  });
});

describe('tape to stream', () => {
  const image = stream(20 * RECORD - 100);

  beforeEach(async () => {
    await setUp();
    await dma.open(RDWR);
    await writeImage(stream(RECORD, 9));
    await dma.mtio(EOF_MARK);
    await writeImage(image);
    await dma.mtio(EOF_MARK);
    await dma.mtio(REW);
    await dma.mtio(FSF);
  });

  async function receive(socket: Socket, bytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let count = 0;
    while (count < bytes) {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) await once(socket, 'readable');
      else {
        chunks.push(chunk);
        count += chunk.length;
      }
    }
    return Buffer.concat(chunks);
  }

  const readRange = (offset: number, length: bigint) =>
    dma.error('moverRead', { offset: BigInt(offset), length });

  test('ranges of any size, forward and back, and nothing else', async () => {
    const socket = await join(MOVER_MODE.write);
    const ranges = [
      [0, RECORD],
      [5 * RECORD + 17, 3 * RECORD + 5],
      [8 * RECORD + 22, 10],
      [100, 1],
      [19 * RECORD, RECORD - 100],
      [2 * RECORD - 1, 2],
    ] as const;
    for (const [offset, length] of ranges) {
      expect(await readRange(offset, BigInt(length))).toBe(noError);
      const got = await receive(socket, length);
      expect(got.equals(image.subarray(offset, offset + length))).toBe(true);
    }
    expect(await state()).toMatchObject({ state: MOVER_STATE.active, bytesLeftToRead: 0n });
    socket.end();
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
  });

  test('to the end: the filemark pauses, and CLOSE ends the stream in order', async () => {
    const socket = await join(MOVER_MODE.write);
    expect(await readRange(0, U64_MAX)).toBe(noError);
    const received = readAll(socket);
    expect(await next()).toMatchObject(pause(MOVER_PAUSE.eof));
    expect(await dma.error('moverRead', { offset: 0n, length: 10n })).toBe(illegalState);
    expect(await dma.read(10)).toBe(NDMP_ERROR.eof); // the tape stands before the mark
    expect(await dma.error('moverClose', {})).toBe(noError);
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
    const all = await received;
    expect(all.length).toBe(20 * RECORD);
    expect(all.subarray(0, image.length).equals(image)).toBe(true);
  });

  test('outside its window the mover asks for the next one, and goes on without a new READ', async () => {
    const socket = await join(MOVER_MODE.write, 0n, BigInt(4 * RECORD));
    expect(await readRange(3 * RECORD, BigInt(2 * RECORD))).toBe(noError);
    const first = await receive(socket, RECORD);
    expect(await next()).toMatchObject({ ...pause(MOVER_PAUSE.seek), seekPosition: 40_960n });
    expect((await state()).bytesLeftToRead).toBe(BigInt(RECORD));
    const window = { offset: BigInt(4 * RECORD), length: BigInt(16 * RECORD) };
    expect(await dma.error('moverSetWindow', window)).toBe(noError);
    expect(await dma.error('moverContinue', {})).toBe(noError);
    const second = await receive(socket, RECORD);
    expect(Buffer.concat([first, second]).equals(image.subarray(3 * RECORD, 5 * RECORD))).toBe(
      true,
    );
    socket.end();
    expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
  });

  test('the end of the data pauses with EOM', async () => {
    await dma.mtio(FSF);
    const socket = await join(MOVER_MODE.write);
    expect(await readRange(0, 100n)).toBe(noError);
    expect(await next()).toMatchObject(pause(MOVER_PAUSE.eom));
    socket.destroy();
  });
});

test.each([512, 63 * KIB, 1024 * KIB])('records of %i bytes, there and back', async (size) => {
  await setUp();
  await dma.open(RDWR);
  const image = stream(2 * size + 100);
  const sender = await join(MOVER_MODE.read, 0n, U64_MAX, size);
  sender.end(image);
  expect(await next()).toMatchObject(halt(MOVER_HALT.connectClosed));
  expect(await state()).toMatchObject({ recordSize: size, recordNumber: 3 });
  expect(await dma.position()).toEqual([0, 3]);
  await dma.error('moverStop', {});
  await dma.mtio(REW);
  const receiver = await join(MOVER_MODE.write, 0n, U64_MAX, size);
  const received = readAll(receiver);
  const range = { offset: 0n, length: BigInt(image.length) };
  expect(await dma.error('moverRead', range)).toBe(noError);
  await expect.poll(async () => (await state()).bytesLeftToRead, { timeout: 30_000 }).toBe(0n);
  expect(await dma.error('moverClose', {})).toBe(noError);
  expect((await received).equals(image)).toBe(true);
});

test('abort ends a reading whose peer does not take it', async () => {
  await setUp();
  await dma.open(RDWR);
  const recordSize = 1024 * KIB;
  for (let i = 0; i < 24; i++) expect(await dma.write(stream(recordSize))).toBe(recordSize);
  await dma.mtio(REW);
  const socket = await join(MOVER_MODE.write, 0n, U64_MAX, recordSize);
  socket.pause();
  expect(await dma.error('moverRead', { offset: 0n, length: U64_MAX })).toBe(noError);
  expect(await dma.error('moverRead', { offset: 0n, length: 5n })).toBe(NDMP_ERROR.readInProgress);
  expect(await dma.error('moverAbort', {})).toBe(noError);
  expect(await next()).toMatchObject(halt(MOVER_HALT.aborted));
  expect(await dma.error('moverStop', {})).toBe(noError);
  expect(await dma.mtio(REW)).toBe(0);
  socket.destroy();
});

test('the loss of the control connection ends the mover and frees drive and tape', async () => {
  await setUp();
  await dma.open(RDWR);
  const socket = await join(MOVER_MODE.read);
  socket.write(stream(3 * RECORD));
  await expect.poll(() => dma.position(), { timeout: 30_000 }).toEqual([0, 3]);
  const gone = once(socket, 'end');
  socket.resume();
  dma.leave();
  await gone;
  socket.end();
  dma = await TapeDma.login(server.address);
  await expect.poll(() => dma.open(READ), { timeout: 30_000 }).toBe(noError);
  await dma.mtio(REW);
  expect(await dma.mtio(FSF, 2)).toBe(1); // the filemark of the implicit close
});
