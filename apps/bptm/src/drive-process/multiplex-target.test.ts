// Streams that come and go on one drive in memory: what was acknowledged comes back byte for byte, whatever the others did.

import type { Fragment } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { createMemoryLibrary, type Drive, FIRST_ADDRESS } from '@tapestry/storage';
import { PAYLOAD_OFFSET } from '@tapestry/storage/block';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { volume, writeOrder } from '../../test/drive-kit.ts';
import { Bell } from './bell.ts';
import { FragmentSource } from './fragment-source.ts';
import type { FromDrive } from './messages.ts';
import { MultiplexTarget } from './multiplex-target.ts';
import { makeRingMemory, Ring } from './ring.ts';

const B = 1024;
const MIB = 1024 * 1024;

async function makeDrive(capacityBytes = 64 * MIB): Promise<Drive> {
  const library = createMemoryLibrary({
    ...{ drives: 1, slots: 1 },
    // Room for what closes a tape file of six streams: a last block of each, and the trailer.
    cartridges: [{ barcode: 'A00001', capacityBytes, earlyWarningBytes: 14_000 }],
  });
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  return library.openDrive(0, { grantId: 'g', epoch: 1n });
}

const place = { dir: '', drivePath: '', remove: () => undefined };
const order = (backupId: string, maxFragmentBytes = 0n) => {
  const made = writeOrder(place, { blockSizeBytes: B, maxFragmentBytes });
  return { ...made, image: { ...made.image, backupId } };
};

interface Plan {
  readonly length: number;
  /** Turns that pass before it joins. */
  readonly joinsAt: number;
  /** Blocks after which it is broken off; undefined: it ends well. */
  readonly failsAfter: number | undefined;
}

/** The volumes of a test: another one is brought when the one before is full. */
class Volumes {
  readonly drives = new Map<string, Drive>();
  readonly bell = new Bell();
  readonly target: MultiplexTarget;
  readonly #sizes: readonly number[];
  #next: Promise<void> | undefined;

  constructor(sizes: readonly number[], drive: Drive, maxFragmentBytes = 0n) {
    this.#sizes = sizes;
    this.drives.set('A00001', drive);
    const place = { drive, volume: volume(), firstFileNumber: 0 };
    this.target = new MultiplexTarget(
      { bell: this.bell, order: order('first', maxFragmentBytes) },
      place,
    );
  }

  /** For whoever asks first; who comes late goes on upon what others brought. */
  async bring(): Promise<void> {
    if (!this.target.isAwaiting) return;
    this.#next ??= this.#open();
    await this.#next;
  }

  async #open(): Promise<void> {
    const size = this.#sizes[this.drives.size];
    if (size === undefined) throw new StatusError('noMediaAvailable', 'no other volume');
    const drive = await makeDrive(size);
    const mediaId = `A0000${this.drives.size + 1}`;
    this.drives.set(mediaId, drive);
    this.#next = undefined;
    this.target.continueOn({ drive, volume: { ...volume(), mediaId }, firstFileNumber: 0 });
  }
}

class Filer {
  readonly data: Buffer;
  readonly fragments: Fragment[] = [];
  readonly reports: FromDrive[] = [];
  readonly ring: Ring;
  /** `closed`, or what was wrong. */
  readonly done: Promise<string>;
  sent = 0;
  blocks = 0;
  readonly #volumes: Volumes;
  readonly #target: MultiplexTarget;
  readonly #id: number;
  readonly #plan: Plan;

  constructor(volumes: Volumes, id: number, plan: Plan) {
    const { target, bell } = volumes;
    this.#volumes = volumes;
    this.#target = target;
    this.#id = id;
    this.#plan = plan;
    this.data = Buffer.from(Array.from({ length: plan.length }, (_, at) => (at * 13 + id) & 0xff));
    this.ring = new Ring(makeRingMemory(4, B, 2, bell.memory));
    target.join({
      ...{ member: id, order: order(`filer_${id}`), ring: this.ring },
      report: (message) => {
        this.reports.push(message);
        if (message.type === 'fragmentClosed') this.fragments.push(message.fragment);
      },
    });
    this.done = this.#close().catch((error: Error) => {
      target.leave(id);
      return error.message;
    });
  }

  async #close(): Promise<'closed'> {
    let written = await this.#target.writeStream(this.#id);
    for (; written.full; written = await this.#target.writeStream(this.#id)) {
      await this.#volumes.bring();
    }
    expect(written.bytes).toBe(BigInt(this.data.length));
    await this.#target.closeFragment(this.#id, [{ name: 'ID', value: String(this.#id) }]);
    return 'closed';
  }

  /** One block, if there is room; true when there is no more to come. */
  turn(): boolean {
    if (this.ring.ended || this.ring.stopped) return true;
    if (!this.ring.hasRoom) return false;
    if (this.blocks === this.#plan.failsAfter) {
      this.ring.stop();
      this.#target.leave(this.#id);
      return true;
    }
    const payload = this.data.subarray(this.sent, this.sent + this.ring.payloadBytesMax);
    if (payload.length > 0) {
      this.ring.nextBlock().set(payload, PAYLOAD_OFFSET);
      this.ring.publish(PAYLOAD_OFFSET, payload.length);
      this.sent += payload.length;
      this.blocks += 1;
    }
    if (this.sent === this.data.length && this.blocks !== this.#plan.failsAfter) this.ring.end();
    return false;
  }
}

/** The whole stream, or a part of it, as a restore reads it. */
async function readBack(
  { drives }: Volumes,
  backupId: string,
  fragments: readonly Fragment[],
  range: { offset: bigint; length: bigint },
): Promise<Buffer> {
  const ring = new Ring(makeRingMemory(256, B));
  const frame = order(backupId);
  const at = (mediaId: string) => ({ drive: drives.get(mediaId)!, mediaId });
  const source = new FragmentSource(
    { ring, report: () => undefined, order: { ...frame, mode: 'read', backupId, fragments } },
    at(fragments[0]!.mediaId),
  );
  let { offset, length } = range;
  for (;;) {
    const { bytes, wanted } = await source.readRange({ offset, length });
    if (wanted === '') break;
    offset += bytes;
    length -= bytes;
    source.continueOn(at(wanted));
  }
  const parts = Array.from({ length: ring.filled }, (_, n) => {
    const { block, payloadStart, payloadBytes } = ring.peek(n);
    return Buffer.from(block.subarray(payloadStart, payloadStart + payloadBytes));
  });
  return Buffer.concat(parts);
}

const plans = fc.array(
  fc.record({
    length: fc.integer({ min: 0, max: 40_000 }),
    joinsAt: fc.nat(30),
    failsAfter: fc.option(fc.nat(20), { nil: undefined, freq: 3 }),
  }),
  { minLength: 1, maxLength: 6 },
);

/** All of it in turns, and how each stream ended. */
async function play(volumes: Volumes, streams: readonly Plan[], turns: Iterator<number>) {
  const filers: Filer[] = [];
  for (let turn = 0; turn < 20_000; turn += 1) {
    for (const plan of streams.slice(filers.length)) {
      if (plan.joinsAt <= turn) filers.push(new Filer(volumes, filers.length + 1, plan));
      else break;
    }
    const at = turns.next().value! % Math.max(1, filers.length);
    const over = filers.map((filer, i) => {
      if (i === at) return filer.turn();
      return filer.ring.ended || filer.ring.stopped;
    });
    if (filers.length === streams.length && over.every(Boolean)) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { filers, ends: await Promise.all(filers.map(({ done }) => done)) };
}

async function expectBack(volumes: Volumes, id: number, { fragments, data }: Filer): Promise<void> {
  expect(fragments.map(({ number }) => number)).toEqual(fragments.map((_, n) => n + 1));
  expect(fragments.at(-1)!.streamEndBytes).toBe(BigInt(data.length));
  const name = `filer_${id}`;
  const whole = { offset: 0n, length: BigInt(data.length) };
  expect((await readBack(volumes, name, fragments, whole)).equals(data)).toBe(true);
  const offset = Math.floor(data.length / 3);
  const part = { offset: BigInt(offset), length: BigInt(Math.min(700, data.length - offset)) };
  const got = await readBack(volumes, name, fragments, part);
  expect(got.equals(data.subarray(offset, offset + 700))).toBe(true);
}

const runs: readonly (readonly [string, readonly number[]])[] = [
  ['one volume', [64 * MIB]],
  ['small volumes', [45_000, 30_000, 64_000, 30_000, 30_000, 30_000, 64 * MIB]],
];

test.each(runs)(
  'streams that join, end and fail at any time on %s: each that was acknowledged restores byte for byte',
  async (_what, sizes) => {
    const fragmentSizes = fc.constantFrom(0n, 5_000n, 30_000n);
    const facts = fc.tuple(plans, fragmentSizes, fc.infiniteStream(fc.nat(5)));
    await fc.assert(
      fc.asyncProperty(facts, async ([streams, maxFragmentBytes, turns]) => {
        const volumes = new Volumes(sizes, await makeDrive(sizes[0]), maxFragmentBytes);
        const { filers, ends } = await play(volumes, streams, turns);
        for (const [i, filer] of filers.entries()) {
          if (ends[i] !== 'closed') expect(streams[i]!.failsAfter, ends[i]).toBeDefined();
          else await expectBack(volumes, i + 1, filer);
        }
      }),
      { numRuns: 60, interruptAfterTimeLimit: 60_000, endOnFailure: true },
    );
  },
  120_000,
);

test('without another volume all streams end, and the one that is full is told of once', async () => {
  const volumes = new Volumes([MIB], await makeDrive(MIB));
  const plan = { length: 4 * MIB, joinsAt: 0, failsAfter: undefined };
  const { filers, ends } = await play(volumes, [plan, plan], everyOther());
  expect(ends).toEqual([1, 2].map(() => expect.stringContaining('no other volume')));
  const reports = filers.flatMap((filer) => filer.reports);
  const events = reports.filter(({ type }) => type === 'mediaEvent');
  expect(events).toMatchObject([{ event: 'MEDIA_EVENT_FULL' }]);
});

function* everyOther(): Iterator<number> {
  for (let n = 0; ; n += 1) yield n;
}
