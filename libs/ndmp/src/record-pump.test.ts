// The mover with its bytes: windows, pauses, tape changes and seeks over a tape in memory, and the
// arithmetic of the transfer on its own.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ADDR_TYPE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  NDMP_ERROR,
  U64_MAX,
} from './constants.ts';
import {
  MemoryDrive,
  type MemoryStream,
  MemoryStreams,
  MemoryTape,
} from './memory-devices.test-data.ts';
import { asked, NO_TRANSFER, nextAction, ordered, recordRead, spaced } from './mover-transfer.ts';
import { RecordPump } from './record-pump.ts';
import type { MoverOrder, MoverReport } from './server-ports.ts';

const RECORD = 16;
const END = { offset: 0n, length: U64_MAX };

function order(mode: number, changes: Partial<MoverOrder> = {}): MoverOrder {
  return {
    mode,
    recordSizeBytes: RECORD,
    window: END,
    windowIsNew: true,
    crossing: false,
    ...changes,
  };
}
const reading = (changes?: Partial<MoverOrder>): MoverOrder => order(MOVER_MODE.read, changes);
const writing = (changes?: Partial<MoverOrder>): MoverOrder => order(MOVER_MODE.write, changes);

function streamOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) % 251));
}

function recordsOf(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += RECORD) {
    const record = Buffer.alloc(RECORD);
    bytes.copy(record, 0, at);
    records.push(record);
  }
  return records;
}

class Stage {
  readonly streams = new MemoryStreams();
  readonly tape = new MemoryTape();
  readonly drive = new MemoryDrive(this.tape);
  readonly heard: MoverReport[] = [];
  readonly pump: RecordPump;
  #waiting: ((report: MoverReport) => void) | undefined;

  constructor() {
    this.pump = new RecordPump(this.streams, (report) => {
      if (this.#waiting === undefined) this.heard.push(report);
      else this.#waiting(report);
      this.#waiting = undefined;
    });
  }

  next(): Promise<MoverReport> {
    const heard = this.heard.shift();
    if (heard !== undefined) return Promise.resolve(heard);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  async connected(): Promise<MemoryStream> {
    await this.pump.connect({ type: 'local' });
    const { dialled } = this.streams;
    if (dialled === undefined) throw new Error('not dialled');
    return dialled;
  }
}

describe('a backup', () => {
  test('is written in whole records; the padding counts for nothing', async () => {
    const stage = new Stage();
    const peer = await stage.connected();
    stage.pump.run(reading(), stage.drive);
    const stream = streamOf(5 * RECORD + 3);
    for (const byte of stream) await peer.write(Buffer.of(byte));
    await peer.end();
    expect(await stage.next()).toEqual({ type: 'moverHalted', reason: MOVER_HALT.connectClosed });
    expect(stage.tape.items).toEqual(recordsOf(stream));
    expect(stage.pump.progress()).toEqual({
      bytesMoved: BigInt(stream.length),
      recordNumber: 6,
      bytesLeftToRead: 0n,
    });
  });

  test('without any data writes nothing', async () => {
    const stage = new Stage();
    const peer = await stage.connected();
    stage.pump.run(reading(), stage.drive);
    await peer.end();
    expect(await stage.next()).toMatchObject({ reason: MOVER_HALT.connectClosed });
    expect(stage.tape.items).toEqual([]);
  });

  test('goes over to the next tape, and loses nothing when DATA is long gone', async () => {
    const stage = new Stage();
    stage.tape.warnAtBytes = 3 * RECORD;
    const stream = streamOf(8 * RECORD + 5);
    const peer = await stage.connected();
    stage.pump.run(reading(), stage.drive);
    await peer.write(stream);
    await peer.end();
    expect(await stage.next()).toEqual({
      type: 'moverPaused',
      reason: MOVER_PAUSE.eom,
      seekPosition: BigInt(3 * RECORD),
    });
    const second = new MemoryTape();
    stage.drive.load(second);
    stage.pump.run(reading({ window: { offset: 48n, length: U64_MAX - 48n } }), stage.drive);
    expect(await stage.next()).toMatchObject({ reason: MOVER_HALT.connectClosed });
    expect([...stage.tape.items, ...second.items]).toEqual(recordsOf(stream));
    expect(stage.pump.progress().recordNumber).toBe(9);
  });

  test('pauses at the end of a window only when there is more', async () => {
    const stage = new Stage();
    const peer = await stage.connected();
    const window = { offset: 0n, length: BigInt(2 * RECORD) };
    stage.pump.run(reading({ window }), stage.drive);
    const stream = streamOf(4 * RECORD);
    await peer.write(stream);
    expect(await stage.next()).toMatchObject({ reason: MOVER_PAUSE.eow, seekPosition: 32n });
    await stage.drive.space({ operation: 5, count: 1, crossing: false });
    stage.pump.run(reading({ window: { offset: 32n, length: 32n } }), stage.drive);
    await peer.end();
    expect(await stage.next()).toMatchObject({ type: 'moverHalted' });
    expect(stage.tape.fileBytes(1)).toEqual(stream.subarray(2 * RECORD));
  });

  test('a window that goes on pauses again at once', async () => {
    const stage = new Stage();
    const peer = await stage.connected();
    const window = { offset: 0n, length: BigInt(RECORD) };
    stage.pump.run(reading({ window }), stage.drive);
    await peer.write(streamOf(2 * RECORD));
    await stage.next();
    stage.pump.run(reading({ window, windowIsNew: false }), stage.drive);
    expect(await stage.next()).toMatchObject({ reason: MOVER_PAUSE.eow });
    expect(stage.tape.items).toHaveLength(1);
  });

  test.each([
    ['a broken tape', NDMP_ERROR.io, MOVER_HALT.mediaError],
    ['a tape of another kind', NDMP_ERROR.writeProtect, MOVER_HALT.mediaError],
  ])('%s halts', async (_title, error, reason) => {
    const stage = new Stage();
    stage.drive.fault = { call: 'write', error };
    const peer = await stage.connected();
    stage.pump.run(reading(), stage.drive);
    await peer.write(streamOf(RECORD));
    expect(await stage.next()).toEqual({ type: 'moverHalted', reason });
  });

  test('a broken connection halts, and the half record is dropped', async () => {
    const stage = new Stage();
    const peer = await stage.connected();
    stage.pump.run(reading(), stage.drive);
    await peer.write(streamOf(RECORD + 3));
    peer.destroy();
    expect(await stage.next()).toEqual({ type: 'moverHalted', reason: MOVER_HALT.connectError });
    expect(stage.tape.items).toHaveLength(1);
  });
});

describe('a recovery', () => {
  async function recovering(stream: Buffer, changes?: Partial<MoverOrder>) {
    const stage = new Stage();
    stage.tape.items.push(...recordsOf(stream), 'mark');
    const peer = await stage.connected();
    stage.pump.run(writing(changes), stage.drive);
    return { stage, peer };
  }

  test('any ranges, in any order, are the stream’s', async () => {
    const stream = streamOf(40 * RECORD);
    const range = fc.tuple(fc.nat(stream.length - 1), fc.integer({ min: 1, max: 90 }));
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 6 }), async (ranges) => {
        const { stage, peer } = await recovering(stream);
        for (const [offset, wanted] of ranges) {
          const size = Math.min(wanted, stream.length - offset);
          stage.pump.read(BigInt(offset), BigInt(size));
          expect(await peer.readAll(size)).toEqual(stream.subarray(offset, offset + size));
          expect(stage.pump.progress().bytesLeftToRead).toBe(0n);
        }
        expect(stage.heard).toEqual([]);
        await stage.pump.abort();
      }),
      { numRuns: 60 },
    );
  });

  test('to the end meets the filemark, before which the tape stays', async () => {
    const { stage, peer } = await recovering(streamOf(3 * RECORD));
    stage.pump.read(0n, U64_MAX);
    expect(await stage.next()).toEqual({
      type: 'moverPaused',
      reason: MOVER_PAUSE.eof,
      seekPosition: BigInt(3 * RECORD),
    });
    expect(await peer.readAll(3 * RECORD)).toEqual(streamOf(3 * RECORD));
    expect(stage.drive.position).toBe(3);
    stage.pump.close();
    expect(await peer.readAll()).toEqual(Buffer.alloc(0));
  });

  test.each([
    [false, MOVER_PAUSE.eom],
    [true, MOVER_PAUSE.eof],
  ])('blank tape is EOM, and before v4 EOF', async (crossing, reason) => {
    const { stage } = await recovering(streamOf(RECORD), { crossing });
    stage.tape.items.pop();
    stage.pump.read(0n, U64_MAX);
    expect(await stage.next()).toMatchObject({ reason, seekPosition: 16n });
  });

  test('outside its window the mover asks for a seek and then goes on by itself', async () => {
    const stream = streamOf(6 * RECORD);
    const { stage, peer } = await recovering(stream, { window: { offset: 0n, length: 32n } });
    stage.pump.read(20n, 60n);
    expect(await peer.readAll(12)).toEqual(stream.subarray(20, 32));
    expect(await stage.next()).toMatchObject({ reason: MOVER_PAUSE.seek, seekPosition: 32n });
    expect(stage.pump.progress().bytesLeftToRead).toBe(48n);
    // The next part of the stream is on another tape, which begins with its second record.
    const second = new MemoryTape();
    second.items.push(...recordsOf(stream).slice(2));
    stage.drive.load(second);
    stage.pump.run(writing({ window: { offset: 32n, length: 64n } }), stage.drive);
    expect(await peer.readAll(48)).toEqual(stream.subarray(32, 80));
    stage.pump.read(0n, 1n);
    expect(await stage.next()).toMatchObject({ reason: MOVER_PAUSE.seek, seekPosition: 0n });
  });

  test('a window may end within a record', async () => {
    const stream = streamOf(2 * RECORD);
    const { stage, peer } = await recovering(stream, { window: { offset: 0n, length: 21n } });
    stage.pump.read(0n, 32n);
    expect(await peer.readAll(21)).toEqual(stream.subarray(0, 21));
    expect(await stage.next()).toMatchObject({ reason: MOVER_PAUSE.seek, seekPosition: 21n });
  });

  test.each([
    ['closes', (peer: MemoryStream) => peer.end(), MOVER_HALT.connectClosed],
    ['breaks', async (peer: MemoryStream) => peer.destroy(), MOVER_HALT.connectError],
  ])(
    'a peer that %s is noticed while nothing is sent, and while paused',
    async (_t, leave, reason) => {
      const waiting = await recovering(streamOf(RECORD));
      await leave(waiting.peer);
      expect(await waiting.stage.next()).toEqual({ type: 'moverHalted', reason });
      const paused = await recovering(streamOf(RECORD), { window: { offset: 64n, length: 16n } });
      paused.stage.pump.read(0n, 4n);
      await paused.stage.next();
      await leave(paused.peer);
      expect(await paused.stage.next()).toEqual({ type: 'moverHalted', reason });
    },
  );

  test('a tape that cannot be read halts', async () => {
    const { stage } = await recovering(streamOf(RECORD));
    stage.drive.fault = { call: 'read', error: NDMP_ERROR.io };
    stage.pump.read(0n, 4n);
    expect(await stage.next()).toMatchObject({ reason: MOVER_HALT.mediaError });
  });

  test('a seek that a filemark stops', async () => {
    const { stage } = await recovering(streamOf(3 * RECORD));
    stage.pump.read(BigInt(9 * RECORD), 4n);
    expect(await stage.next()).toMatchObject({ reason: MOVER_PAUSE.eof, seekPosition: 144n });
  });
});

describe('the connection', () => {
  test('LISTEN, then a peer', async () => {
    const stage = new Stage();
    const { address } = await stage.pump.listen(ADDR_TYPE.local);
    expect(address).toEqual({ type: 'local' });
    stage.streams.call();
    expect(await stage.next()).toEqual({ type: 'moverPeerConnected', address });
  });

  test('a listener that is lost halts; one that was given up does not', async () => {
    const stage = new Stage();
    await stage.pump.listen(ADDR_TYPE.tcp);
    stage.streams.fail();
    expect(await stage.next()).toEqual({ type: 'moverHalted', reason: MOVER_HALT.connectError });
    stage.pump.release();
    await stage.pump.listen(ADDR_TYPE.tcp);
    await stage.pump.abort();
    expect(stage.heard).toEqual([]);
  });

  test('an order may come before the peer', async () => {
    const stage = new Stage();
    await stage.pump.listen(ADDR_TYPE.local);
    stage.pump.run(reading(), stage.drive);
    const peer = stage.streams.call();
    await peer.write(streamOf(RECORD));
    await peer.end();
    expect([await stage.next(), await stage.next()]).toMatchObject([
      { type: 'moverPeerConnected' },
      { reason: MOVER_HALT.connectClosed },
    ]);
    expect(stage.tape.items).toEqual([streamOf(RECORD)]);
  });

  test('no listener, no connection', async () => {
    const stage = new Stage();
    stage.streams.canListen = false;
    stage.streams.canDial = false;
    expect(await stage.pump.listen(ADDR_TYPE.tcp)).toEqual({ error: NDMP_ERROR.connect });
    expect(await stage.pump.connect({ type: 'local' })).toEqual({ error: NDMP_ERROR.connect });
  });

  test('after an abort nothing is said, and the tape is left alone', async () => {
    const stage = new Stage();
    const peer = await stage.connected();
    stage.pump.run(reading(), stage.drive);
    await peer.write(streamOf(RECORD));
    await stage.pump.abort();
    const { length } = stage.tape.items;
    await expect(peer.write(streamOf(RECORD))).rejects.toThrow();
    expect([stage.heard, stage.tape.items.length]).toEqual([[], length]);
    stage.pump.release();
    expect(stage.pump.progress().bytesMoved).toBe(0n);
  });
});

describe('the arithmetic of a transfer', () => {
  test('64-bit offsets are exact', () => {
    const window = { offset: 2n ** 60n, length: 1024n };
    const at = asked(ordered(NO_TRANSFER, writing({ window })), 2n ** 60n + 33n, 5n);
    expect(nextAction(at)).toEqual({ do: 'space', records: 2n });
    const placed = spaced(at, 2n, 0n);
    expect(nextAction(placed)).toEqual({ do: 'readRecord' });
    const held = recordRead(placed, RECORD);
    expect(nextAction(held)).toEqual({ do: 'send', from: 1, sizeBytes: 5 });
    expect(held.recordNumber).toBe(2);
  });

  test('going back in a window that the tape does not match is a bad medium', () => {
    const moved = spaced(
      asked({ ...ordered(NO_TRANSFER, writing()), tapeRecord: 9n }, 0n, 1n),
      -9n,
      4n,
    );
    expect(nextAction(moved)).toEqual({ do: 'halt', reason: MOVER_HALT.mediaError });
  });

  test('a record shorter than the mover’s own has no more than it has', () => {
    const at = recordRead(asked(ordered(NO_TRANSFER, writing()), 12n, 2n), 8);
    expect(nextAction(at)).toEqual({ do: 'halt', reason: MOVER_HALT.mediaError });
  });
});
