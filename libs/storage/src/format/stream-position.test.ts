import fc from 'fast-check';
import { expect, test } from 'vitest';
import { payloadCapacity } from './block.ts';
import { type FragmentExtent, locateStreamByte } from './stream-position.ts';

/** Fragments that follow each other, and where each byte must lie by counting one by one. */
const streams = fc
  .array(fc.record({ bytes: fc.integer({ min: 0, max: 3000 }), mover: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => {
    let at = 0n;
    return parts.map(({ bytes, mover }, i): FragmentExtent => {
      const streamBeginBytes = at;
      at += BigInt(bytes);
      const layout = mover ? 'mover' : 'blocks';
      const blockSizeBytes = mover ? 512 : 1024;
      const mediaId = `A0000${i}`;
      return {
        mediaId,
        fileNumber: 3 * i + 1,
        layout,
        blockSizeBytes,
        streamBeginBytes,
        streamEndBytes: at,
      };
    });
  });

test('each byte of a stream is found in the block that holds it', () => {
  fc.assert(
    fc.property(streams, fc.nat(20_000), (fragments, wanted) => {
      const total = fragments.at(-1)?.streamEndBytes ?? 0n;
      const offset = BigInt(wanted);
      if (offset >= total) {
        expect(() => locateStreamByte(fragments, offset)).toThrow(/cannotPositionToImage/);
        return;
      }
      const found = locateStreamByte(fragments, offset);
      const fragment = fragments[found.fragment] as FragmentExtent;
      const payload = fragment.layout === 'mover' ? 512 : payloadCapacity(fragment.blockSizeBytes);
      expect(found.offset).toBeLessThan(payload);
      const back = fragment.streamBeginBytes + BigInt(found.index * payload + found.offset);
      expect(back).toBe(offset);
      expect(back < fragment.streamEndBytes).toBe(true);
      expect([found.file, found.block]).toEqual(
        fragment.layout === 'mover'
          ? [fragment.fileNumber + 1, found.index]
          : [fragment.fileNumber, found.index + 1],
      );
    }),
  );
});

test('positions stay exact far beyond 2^53', () => {
  const streamBeginBytes = 2n ** 60n;
  const extent: FragmentExtent = {
    mediaId: 'A00001',
    fileNumber: 9,
    layout: 'blocks',
    blockSizeBytes: 262_144,
    streamBeginBytes,
    streamEndBytes: 2n ** 61n,
  };
  const wanted = streamBeginBytes + 262_064n * 1_000_000n + 5n;
  expect(locateStreamByte([extent], wanted)).toMatchObject({
    file: 9,
    block: 1_000_001,
    index: 1_000_000,
    offset: 5,
  });
});
