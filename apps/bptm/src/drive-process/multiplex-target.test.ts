// Streams that come and go on one drive in memory: what was acknowledged comes back byte for byte, whatever the others did.

import type { Fragment } from '@tapestry/contracts';
import { createMemoryLibrary, type Drive, FIRST_ADDRESS } from '@tapestry/storage';
import { PAYLOAD_OFFSET } from '@tapestry/storage/block';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writeOrder } from '../../test/drive-kit.ts';
import { Bell } from './bell.ts';
import { FragmentSource } from './fragment-source.ts';
import type { FromDrive } from './messages.ts';
import { MultiplexTarget } from './multiplex-target.ts';
import { makeRingMemory, Ring } from './ring.ts';

const B = 1024;
const MIB = 1024 * 1024;

async function makeDrive(capacityBytes = 64 * MIB): Promise<Drive> {
  const library = createMemoryLibrary({
    ...{ drives: 1, slots: 1, cartridges: [{ barcode: 'A00001', capacityBytes }] },
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

class Filer {
  readonly data: Buffer;
  readonly fragments: Fragment[] = [];
  readonly reports: FromDrive[] = [];
  readonly ring: Ring;
  readonly done: Promise<'closed' | 'failed'>;
  sent = 0;
  blocks = 0;
  readonly #target: MultiplexTarget;
  readonly #id: number;
  readonly #plan: Plan;

  constructor(target: MultiplexTarget, bell: Bell, id: number, plan: Plan) {
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
    this.done = this.#close().catch(() => 'failed' as const);
  }

  async #close(): Promise<'closed'> {
    const bytes = await this.#target.writeStream(this.#id);
    expect(bytes).toBe(BigInt(this.data.length));
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
  drive: Drive,
  backupId: string,
  fragments: readonly Fragment[],
  range: { offset: bigint; length: bigint },
): Promise<Buffer> {
  const ring = new Ring(makeRingMemory(256, B));
  const frame = order(backupId);
  const source = new FragmentSource(
    { ring, report: () => undefined, order: { ...frame, mode: 'read', backupId, fragments } },
    { drive, mediaId: frame.volume.mediaId },
  );
  await source.readRange(range);
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

test('streams that join, end and fail at any time: each that was acknowledged restores byte for byte', async () => {
  const facts = fc.tuple(plans, fc.constantFrom(0n, 5_000n, 30_000n), fc.infiniteStream(fc.nat(5)));
  await fc.assert(
    fc.asyncProperty(facts, async ([streams, maxFragmentBytes, turns]) => {
      const drive = await makeDrive();
      const bell = new Bell();
      const target = new MultiplexTarget({
        ...{ drive, bell, order: order('first', maxFragmentBytes), firstFileNumber: 0 },
      });
      const filers: Filer[] = [];
      for (let turn = 0; turn < 5_000; turn += 1) {
        for (const plan of streams.slice(filers.length)) {
          if (plan.joinsAt <= turn) filers.push(new Filer(target, bell, filers.length + 1, plan));
          else break;
        }
        const at = turns.next().value! % Math.max(1, filers.length);
        const over = filers.map((filer, i) =>
          i === at ? filer.turn() : filer.ring.ended || filer.ring.stopped,
        );
        if (filers.length === streams.length && over.every(Boolean)) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const ends = await Promise.all(filers.map(({ done }) => done));
      for (const [i, filer] of filers.entries()) {
        const { fragments, data } = filer;
        if (ends[i] === 'failed') {
          expect(streams[i]!.failsAfter).toBeDefined();
          continue;
        }
        expect(fragments.map(({ number }) => number)).toEqual(fragments.map((_, n) => n + 1));
        expect(fragments.at(-1)!.streamEndBytes).toBe(BigInt(data.length));
        const whole = { offset: 0n, length: BigInt(data.length) };
        const id = `filer_${i + 1}`;
        expect((await readBack(drive, id, fragments, whole)).equals(data)).toBe(true);
        const offset = Math.floor(data.length / 3);
        const part = await readBack(drive, id, fragments, { offset: BigInt(offset), length: 700n });
        expect(part.equals(data.subarray(offset, offset + 700))).toBe(true);
      }
    }),
    { numRuns: 40 },
  );
}, 120_000);

test('a medium without room ends all streams, and says so once', async () => {
  const drive = await makeDrive(MIB);
  const bell = new Bell();
  const target = new MultiplexTarget({ drive, bell, order: order('first'), firstFileNumber: 0 });
  const plan = { length: 4 * MIB, joinsAt: 0, failsAfter: undefined };
  const filers = [1, 2].map((id) => new Filer(target, bell, id, plan));
  const over = Promise.all(filers.map(({ done }) => done));
  let ended = false;
  void over.then(() => {
    ended = true;
  });
  while (!ended) {
    for (const filer of filers) filer.turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await over).toEqual(['failed', 'failed']);
  const events = filers
    .flatMap(({ reports }) => reports)
    .filter(({ type }) => type === 'mediaEvent');
  expect(events).toMatchObject([{ event: 'MEDIA_EVENT_FULL' }]);
  expect(() => new Filer(target, bell, 3, plan)).toThrow(/full/);
});
