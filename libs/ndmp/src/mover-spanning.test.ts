// An image over several tapes, written and read as a DMA drives it: whatever the sizes, every range of
// the stream comes back as it was.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MOVER_HALT, MOVER_MODE, MOVER_PAUSE, U64_MAX } from './constants.ts';
import { MemoryDrive, MemoryStreams, MemoryTape } from './memory-devices.test-data.ts';
import { RecordPump } from './record-pump.ts';
import type { MoverOrder, MoverReport } from './server-ports.ts';

interface Segment {
  readonly tape: MemoryTape;
  /** Stream bytes on this tape: [offset, offset + length). */
  readonly offset: bigint;
  length: bigint;
}

interface Shape {
  readonly imageBytes: number;
  readonly recordBytes: number;
  readonly recordsPerTape: number;
  /** End a segment by its window instead of by the early warning. */
  readonly byWindow: boolean;
}

class Mover {
  readonly streams = new MemoryStreams();
  readonly drive = new MemoryDrive(new MemoryTape());
  readonly #heard: MoverReport[] = [];
  readonly pump = new RecordPump(this.streams, (report) => {
    this.#heard.push(report);
    this.#wake?.();
  });
  #wake: (() => void) | undefined;

  async next(): Promise<MoverReport> {
    while (this.#heard.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#heard.shift() as MoverReport;
  }

  async connect() {
    await this.pump.connect({ type: 'local' });
    const { dialled } = this.streams;
    if (dialled === undefined) throw new Error('not dialled');
    return dialled;
  }
}

function order(mode: number, recordSizeBytes: number, window: MoverOrder['window']): MoverOrder {
  return { mode, recordSizeBytes, window, windowIsNew: true, crossing: false };
}

function loadedTape(shape: Shape): MemoryTape {
  const tape = new MemoryTape();
  if (!shape.byWindow) tape.warnAtBytes = shape.recordsPerTape * shape.recordBytes;
  return tape;
}

async function backUp(image: Buffer, shape: Shape): Promise<Segment[]> {
  const mover = new Mover();
  const peer = await mover.connect();
  const segmentBytes = BigInt(shape.recordsPerTape * shape.recordBytes);
  const segments: Segment[] = [];
  let offset = 0n;
  await peer.write(image);
  await peer.end();
  for (;;) {
    const tape = loadedTape(shape);
    mover.drive.load(tape);
    const length = shape.byWindow ? segmentBytes : U64_MAX - offset;
    mover.pump.run(order(MOVER_MODE.read, shape.recordBytes, { offset, length }), mover.drive);
    const report = await mover.next();
    const { bytesMoved } = mover.pump.progress();
    segments.push({ tape, offset, length: bytesMoved - offset });
    if (report.type === 'moverHalted') {
      expect(report.reason).toBe(MOVER_HALT.connectClosed);
      expect(bytesMoved).toBe(BigInt(image.length));
      return segments;
    }
    const reason = shape.byWindow ? MOVER_PAUSE.eow : MOVER_PAUSE.eom;
    expect(report).toMatchObject({ type: 'moverPaused', reason });
    offset = bytesMoved;
  }
}

async function recover(
  segments: readonly Segment[],
  shape: Shape,
  ranges: readonly (readonly [bigint, number])[],
): Promise<Buffer[]> {
  const mover = new Mover();
  const peer = await mover.connect();
  const load = (wanted: bigint): void => {
    const segment = segments.find(
      ({ offset, length }) => wanted >= offset && wanted < offset + length,
    );
    if (segment === undefined) throw new Error(`nothing holds ${wanted}`);
    mover.drive.load(segment.tape);
    const { offset, length } = segment;
    mover.pump.run(order(MOVER_MODE.write, shape.recordBytes, { offset, length }), mover.drive);
  };
  load(0n);
  const parts: Buffer[] = [];
  for (const [offset, length] of ranges) {
    mover.pump.read(offset, BigInt(length));
    const part = peer.readAll(length);
    let isThere = false;
    void part.then(() => {
      isThere = true;
    });
    while (!isThere) {
      const report = await Promise.race([mover.next(), part.then(() => undefined)]);
      if (report === undefined) break;
      if (report.type !== 'moverPaused') throw new Error(`unexpected ${report.type}`);
      expect(report.reason).toBe(MOVER_PAUSE.seek);
      load(report.seekPosition);
    }
    parts.push(await part);
  }
  mover.pump.close();
  return parts;
}

test('any image over any tapes, read in any ranges', async () => {
  const shapes = fc.record({
    imageBytes: fc.integer({ min: 1, max: 900 }),
    recordBytes: fc.integer({ min: 1, max: 64 }),
    recordsPerTape: fc.integer({ min: 1, max: 6 }),
    byWindow: fc.boolean(),
  });
  const wanted = fc.array(fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 400 })), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(shapes, wanted, async (shape, pairs) => {
      const image = Buffer.from(
        Array.from({ length: shape.imageBytes }, (_, i) => (i * 13 + (i >> 8)) % 251),
      );
      const segments = await backUp(image, shape);
      const ranges = pairs.map(([at, size]): readonly [bigint, number] => {
        const offset = at % image.length;
        return [BigInt(offset), Math.min(size, image.length - offset)];
      });
      const parts = await recover(segments, shape, ranges);
      expect(parts).toEqual(
        ranges.map(([offset, size]) => image.subarray(Number(offset), Number(offset) + size)),
      );
    }),
    { numRuns: 80 },
  );
});
