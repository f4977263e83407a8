// One stream upon volumes of any size, some of them nearly full: nothing of it is lost or written twice, and what is read
// back from them is the stream.

import type { Fragment } from '@tapestry/contracts';
import { createMemoryLibrary, type Drive, FIRST_ADDRESS } from '@tapestry/storage';
import { PAYLOAD_OFFSET } from '@tapestry/storage/block';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mediaIdOf, volume, writeOrder } from '../../test/drive-kit.ts';
import { FragmentSource } from './fragment-source.ts';
import { FragmentTarget } from './fragment-target.ts';
import type { FromDrive } from './messages.ts';
import { makeRingMemory, Ring } from './ring.ts';

const B = 1024;
const P = B - 80;
const SLOTS = 256;
const EARLY_WARNING_BYTES = 12 * B;

interface VolumePlan {
  readonly blocks: number;
  /** Blocks of somebody else that are on it already. */
  readonly used: number;
}

interface Place {
  readonly drive: Drive;
  readonly mediaId: string;
  readonly firstFileNumber: number;
}

async function makePlace({ blocks, used }: VolumePlan, at: number): Promise<Place> {
  const capacityBytes = blocks * B + EARLY_WARNING_BYTES;
  const cartridge = { barcode: `B${at}`, capacityBytes, earlyWarningBytes: EARLY_WARNING_BYTES };
  const library = createMemoryLibrary({ drives: 1, slots: 1, cartridges: [cartridge] });
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  const drive = await library.openDrive(0, { grantId: 'g', epoch: 1n });
  const files = used === 0 ? 1 : 2;
  for (let n = 0; n < Math.min(used, blocks); n += 1) {
    await drive.writeBlocks([{ parts: [Buffer.alloc(B, 0xff)] }]);
  }
  await drive.writeFilemarks(files, 'sync');
  return { drive, mediaId: mediaIdOf(at), firstFileNumber: files };
}

function filledRing(data: Buffer): Ring {
  const ring = new Ring(makeRingMemory(SLOTS, B));
  for (let at = 0; at < data.length; at += P) {
    const payload = data.subarray(at, at + P);
    ring.nextBlock().set(payload, PAYLOAD_OFFSET);
    ring.publish(PAYLOAD_OFFSET, payload.length);
  }
  ring.end();
  return ring;
}

interface Outcome {
  readonly fragments: readonly Fragment[];
  readonly reports: readonly FromDrive[];
  /** False: there were not enough volumes. */
  readonly whole: boolean;
}

async function write(
  data: Buffer,
  places: readonly Place[],
  maxFragmentBytes: bigint,
): Promise<Outcome> {
  const reports: FromDrive[] = [];
  const ring = filledRing(data);
  const order = writeOrder({ drivePath: '' }, { blockSizeBytes: B, maxFragmentBytes });
  const at = ({ drive, mediaId, firstFileNumber }: Place) => ({
    ...{ drive, firstFileNumber, volume: volume(undefined, mediaId) },
  });
  const report = (message: FromDrive): unknown => reports.push(message);
  const target = new FragmentTarget({ ring, order, report }, at(places[0]!));
  let whole = false;
  for (let next = 1; ; next += 1) {
    const { full, bytes } = await target.writeStream();
    if (!full) {
      expect(bytes).toBe(BigInt(data.length));
      await target.close('streamEnd', []);
      whole = true;
      break;
    }
    if (next === places.length) break;
    target.continueOn(at(places[next]!));
  }
  const closed = reports.filter((each) => each.type === 'fragmentClosed');
  return { whole, reports, fragments: closed.map(({ fragment }) => fragment) };
}

async function readBack(fragments: readonly Fragment[], places: readonly Place[]): Promise<Buffer> {
  const ring = new Ring(makeRingMemory(SLOTS, B));
  const frame = writeOrder({ drivePath: '' });
  const placeOf = (mediaId: string): Place => places.find((each) => each.mediaId === mediaId)!;
  const source = new FragmentSource(
    {
      ...{ ring, report: () => undefined },
      order: { ...frame, mode: 'read', backupId: frame.image.backupId, fragments },
    },
    placeOf(fragments[0]!.mediaId),
  );
  const end = fragments.at(-1)!.streamEndBytes;
  for (let offset = 0n; ; ) {
    const { bytes, wanted } = await source.readRange({ offset, length: end - offset });
    offset += bytes;
    if (wanted === '') break;
    source.continueOn(placeOf(wanted));
  }
  const parts = Array.from({ length: ring.filled }, (_, n) => {
    const { block, payloadStart, payloadBytes } = ring.peek(n);
    return Buffer.from(block.subarray(payloadStart, payloadStart + payloadBytes));
  });
  return Buffer.concat(parts);
}

const volumePlan = fc.record({
  blocks: fc.integer({ min: 12, max: 60 }),
  used: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 70 })),
});
const lengths = fc.oneof(
  fc.integer({ min: 0, max: 200 * P }),
  fc.integer({ min: 0, max: 200 }).map((blocks) => blocks * P),
);
const sizes = fc.constantFrom(0n, BigInt(5 * P), BigInt(P));

test('whatever the volumes hold, the stream comes back, without a gap and without an empty part', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...[lengths, fc.array(volumePlan, { minLength: 1, maxLength: 9 }), sizes],
      async (length, plans, maxFragmentBytes) => {
        const data = Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
        const places = await Promise.all(plans.map(makePlace));
        const { fragments, reports, whole } = await write(data, places, maxFragmentBytes);
        let end = 0n;
        for (const [at, fragment] of fragments.entries()) {
          expect(fragment).toMatchObject({ number: at + 1, streamBeginBytes: end });
          const isEmpty = fragment.streamEndBytes === fragment.streamBeginBytes;
          expect(isEmpty && length > 0).toBe(false);
          end = fragment.streamEndBytes;
        }
        if (whole) expect(end).toBe(BigInt(length));
        const full = reports.filter(
          (each) => each.type === 'mediaEvent' && each.event === 'MEDIA_EVENT_FULL',
        );
        const used = new Set(fragments.map(({ mediaId }) => mediaId)).size;
        expect(full.length).toBeGreaterThanOrEqual(whole ? used - 1 : places.length);
        if (end === 0n) return;
        const back = await readBack(fragments, places);
        expect(back.equals(data.subarray(0, Number(end)))).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});
