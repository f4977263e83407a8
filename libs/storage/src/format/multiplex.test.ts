// Streams that share a fragment: whatever the order of their blocks, and whichever of them stop early, each comes back
// byte for byte, whole or from any byte on.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleHeader, sampleStream } from '../../test/media-samples.ts';
import { PAYLOAD_OFFSET, payloadCapacity } from './block.ts';
import { FragmentReader } from './fragment-reader.ts';
import { FragmentWriter } from './fragment-writer.ts';
import { decodeFragmentTrailer, encodeFragmentTrailer } from './media-messages.ts';
import { locateMultiplexedByte, thinIndex } from './stream-position.ts';

const B = 1024;
const P = payloadCapacity(B);

interface Part {
  readonly stream: number;
  readonly begin: bigint;
  readonly bytes: Buffer;
  /** It stops where it is: what it had not sent in full blocks is lost, and nobody said that it was well. */
  readonly fails: boolean;
}

const parts = fc
  .array(
    fc.record({
      length: fc.integer({ min: 0, max: 12 * P }),
      begin: fc.bigInt({ min: 0n, max: 1n << 40n }),
      fails: fc.boolean(),
    }),
    { minLength: 2, maxLength: 6 },
  )
  .map((all) =>
    all.map(({ length, begin, fails }, i): Part => {
      const bytes = Buffer.from(
        Array.from({ length }, (_, at) => (at * 31 + i * 7 + (at >> 8)) & 0xff),
      );
      const kept = fails ? bytes.subarray(0, length - (length % P)) : bytes;
      return { stream: i + 1, begin, bytes: kept, fails };
    }),
  );

/** The blocks of one fragment: streams take turns as `order` says, then in their own order. */
function write(streams: readonly Part[], order: readonly number[]) {
  const records = streams.map(({ stream, begin }) =>
    sampleStream({ stream, streamBeginBytes: begin }),
  );
  const header = sampleHeader({ blockSizeBytes: B, streams: records });
  const writer = new FragmentWriter(header, BigInt(2 * P + 5));
  const blocks: Uint8Array[] = [writer.headerBlock().block];
  const sent = streams.map(() => 0);
  const sendOne = (i: number): void => {
    const { stream, bytes, fails } = streams[i]!;
    if (writer.hasEnded(stream)) return;
    const payload = bytes.subarray(sent[i], sent[i]! + P);
    const block = Buffer.alloc(B);
    block.set(payload, PAYLOAD_OFFSET);
    sent[i]! += payload.length;
    const final = payload.length < P || (!fails && sent[i] === bytes.length);
    writer.seal(block, { stream, payloadLength: payload.length, final });
    blocks.push(block);
  };
  for (const turn of order) sendOne(turn % streams.length);
  for (const [i, { stream }] of streams.entries()) while (!writer.hasEnded(stream)) sendOne(i);
  const endReasons = new Map(
    streams.map(({ stream, fails }) => [stream, fails ? 'aborted' : 'streamEnd'] as const),
  );
  const { block, trailer } = writer.trailerBlock({
    ...{ endReason: 'fragmentFull', closedMs: 1n, endReasons },
  });
  return { blocks: [...blocks, block], trailer };
}

const orders = fc.array(fc.nat(5), { maxLength: 60 });

test('any interleaving of streams, some of which stop, restores each byte for byte', () => {
  fc.assert(
    fc.property(parts, orders, (streams, order) => {
      const { blocks, trailer } = write(streams, order);
      const [header, ...rest] = blocks;
      const reader = new FragmentReader(header!);
      const got = new Map(streams.map(({ stream }) => [stream, [] as Uint8Array[]]));
      for (const block of rest) {
        const accepted = reader.accept(block);
        if (accepted.kind === 'data') got.get(accepted.stream)!.push(accepted.payload);
        else expect(accepted).toEqual({ kind: 'trailer', trailer, verified: true });
      }
      for (const { stream, bytes, begin, fails } of streams) {
        expect(Buffer.concat(got.get(stream)!).equals(bytes)).toBe(true);
        const end = trailer.streams.find((each) => each.stream === stream)!;
        expect(end.streamEndBytes).toBe(begin + BigInt(bytes.length));
        expect(end.endReason).toBe(fails ? 'aborted' : 'streamEnd');
      }
      expect(decodeFragmentTrailer(encodeFragmentTrailer(trailer))).toEqual(trailer);
    }),
    { numRuns: 60 },
  );
});

test('the sparse index, also a thinned one, leads to any byte of any stream', () => {
  const where = fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 8 }));
  fc.assert(
    fc.property(parts, orders, where, (streams, order, [pick, at, entriesMax]) => {
      const wanted = streams[pick % streams.length]!;
      fc.pre(wanted.bytes.length > 0);
      const { blocks, trailer } = write(streams, order);
      const { streamEndBytes, index } = trailer.streams[pick % streams.length]!;
      const offset = at % wanted.bytes.length;
      const place = locateMultiplexedByte(
        {
          ...{ fileNumber: 4, blockSizeBytes: B, streamBeginBytes: wanted.begin, streamEndBytes },
          index: thinIndex(index!, entriesMax),
        },
        wanted.begin + BigInt(offset),
      );
      expect(place.file).toBe(4);
      const reader = new FragmentReader(blocks[0]!);
      reader.seek(place.index, wanted.stream);
      for (let block = place.block, own = place.index; ; block += 1) {
        const accepted = reader.accept(blocks[block]!);
        if (accepted.kind !== 'data') throw new Error('it ended before the byte');
        if (accepted.stream !== wanted.stream) continue;
        if (own === place.wanted) {
          expect(accepted.payload[place.offset]).toBe(wanted.bytes[offset]);
          return;
        }
        own += 1;
      }
    }),
    { numRuns: 60 },
  );
});

test('a byte that the stream has not there is not looked for', () => {
  const extent = { fileNumber: 1, blockSizeBytes: B, streamBeginBytes: 10n, streamEndBytes: 20n };
  const index = { stepBytes: 64n, blocks: [3n] };
  for (const byte of [9n, 20n]) {
    expect(() => locateMultiplexedByte({ ...extent, index }, byte)).toThrow(/no block on record/);
  }
  expect(locateMultiplexedByte({ ...extent, index }, 19n)).toMatchObject({ block: 4, offset: 9 });
});
