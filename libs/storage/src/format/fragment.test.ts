import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleHeader, sampleStream } from '../../test/media-samples.ts';
import { decryptBlock, PAYLOAD_OFFSET, payloadCapacity } from './block.ts';
import { aesGcmBlockCipher } from './block-cipher.ts';
import { FragmentReader, openTrailerBlock } from './fragment-reader.ts';
import { FragmentWriter } from './fragment-writer.ts';
import { moverFragment } from './mover-fragment.ts';

const B = 1024;
const P = payloadCapacity(B);

/** All blocks of a fragment that holds `stream`. */
function blocksOf(stream: Uint8Array, streamBeginBytes = 0n): Uint8Array[] {
  const writer = new FragmentWriter(
    sampleHeader({ streams: [sampleStream({ streamBeginBytes })] }),
  );
  const blocks: Uint8Array[] = [writer.headerBlock().block];
  const last = Math.max(0, Math.ceil(stream.length / P) - 1);
  for (let i = 0; i <= last; i++) {
    const block = Buffer.alloc(B, 0xee);
    const payload = stream.subarray(i * P, (i + 1) * P);
    block.set(payload, PAYLOAD_OFFSET);
    writer.seal(block, { payloadLength: payload.length, final: i === last });
    blocks.push(block);
  }
  blocks.push(writer.trailerBlock({ endReason: 'streamEnd', closedMs: 1n }).block);
  return blocks;
}

/** The stream out of a fragment's blocks, and whether the trailer vouched for it. */
function read(blocks: readonly Uint8Array[]): { stream: Buffer; verified: boolean } {
  const [header, ...rest] = blocks;
  const reader = new FragmentReader(header as Uint8Array);
  const payloads: Uint8Array[] = [];
  let verified = false;
  for (const block of rest) {
    const accepted = reader.accept(block);
    if (accepted.kind === 'data') payloads.push(accepted.payload);
    else verified = accepted.verified;
  }
  return { stream: Buffer.concat(payloads), verified };
}

test('a stream of any length comes back and is verified', () => {
  const lengths = fc.oneof(fc.nat(5 * P), fc.constantFrom(0, P, 2 * P, P - 1, P + 1));
  fc.assert(
    fc.property(lengths, fc.bigInt({ min: 0n, max: 2n ** 60n }), (length, begin) => {
      const stream = randomBytes(length);
      const found = read(blocksOf(stream, begin));
      expect(found.verified).toBe(true);
      expect(found.stream.equals(stream)).toBe(true);
    }),
  );
});

test('a block lost, repeated, exchanged or of another fragment is noticed', () => {
  const blocks = blocksOf(randomBytes(4 * P));
  const other = blocksOf(randomBytes(4 * P));
  const pick = (...order: number[]) => order.map((i) => blocks[i] as Uint8Array);
  expect(read(pick(0, 1, 2, 3, 4, 5)).verified).toBe(true);
  for (const order of [
    [0, 1, 3, 4, 5],
    [0, 1, 2, 3, 5],
    [0, 1, 1, 2, 3, 4, 5],
    [0, 2, 1, 3, 4, 5],
    [0, 1, 2, 3, 4, 4],
    [0, 0, 1, 2, 3, 4, 5],
    [0, 5],
  ]) {
    expect(() => read(pick(...order))).toThrow(/mediaReadError/);
  }
  expect(() => read([...pick(0, 1), other[2] as Uint8Array])).toThrow(/mediaReadError/);
  expect(() => read(pick(1, 2))).toThrow(/cannotReadBackupHeader/);
});

test('after a seek the reader goes on from there and vouches for nothing before', () => {
  const stream = randomBytes(5 * P);
  const blocks = blocksOf(stream, 10_000n);
  const reader = new FragmentReader(blocks[0] as Uint8Array);
  reader.seek(3);
  expect(() => reader.accept(blocks[3] as Uint8Array)).toThrow(/wrong index/);
  const accepted = reader.accept(blocks[4] as Uint8Array);
  expect(accepted).toMatchObject({ streamOffset: 10_000n + 3n * BigInt(P), final: false });
  reader.accept(blocks[5] as Uint8Array);
  expect(reader.accept(blocks[6] as Uint8Array)).toMatchObject({
    kind: 'trailer',
    verified: false,
  });
});

test('several streams share a fragment, each with its own count and index', () => {
  const streams = [sampleStream({ stream: 1 }), sampleStream({ stream: 2, streamBeginBytes: 77n })];
  const writer = new FragmentWriter(sampleHeader({ streams }));
  const reader = new FragmentReader(writer.headerBlock().block);
  for (const [stream, payloadLength, final] of [
    [1, P, false],
    [2, P, false],
    [2, 5, true],
    [1, P, true],
  ] as const) {
    const block = Buffer.alloc(B, stream);
    writer.seal(block, { stream, payloadLength, final });
    expect(reader.accept(block)).toMatchObject({ kind: 'data', stream, final });
  }
  const { block, trailer } = writer.trailerBlock({ endReason: 'mediumFull', closedMs: 1n });
  expect(reader.accept(block)).toMatchObject({ kind: 'trailer', verified: true });
  expect(trailer.streams).toMatchObject([
    { stream: 1, streamEndBytes: 2n * BigInt(P), index: { blocks: [0n] } },
    { stream: 2, streamEndBytes: 77n + BigInt(P) + 5n, index: { blocks: [1n] } },
  ]);
});

test('an encrypted fragment is verified without its key and read with it', () => {
  const cipher = aesGcmBlockCipher(createSecretKey(randomBytes(32)));
  const none = new Uint8Array();
  const encryption = {
    cipher: 'aes256Gcm' as const,
    keyTag: randomBytes(32),
    salt: none,
    commitment: none,
    keyGroup: 'g',
    recoveryHint: none,
  };
  const writer = new FragmentWriter(sampleHeader({ streams: [sampleStream({ encryption })] }));
  const reader = new FragmentReader(writer.headerBlock().block);
  const block = Buffer.alloc(B);
  block.write('hello tape', PAYLOAD_OFFSET);
  const { parts } = writer.seal(block, { payloadLength: 10, final: true, cipher });
  const onMedium = Buffer.concat([...parts]);
  expect(onMedium.includes('hello tape')).toBe(false);
  expect(reader.accept(onMedium)).toMatchObject({ kind: 'data', final: true });
  expect(Buffer.from(decryptBlock(onMedium, cipher)).toString()).toBe('hello tape');
  const end = writer.trailerBlock({ endReason: 'streamEnd', closedMs: 1n });
  expect(reader.accept(end.block)).toMatchObject({ verified: true });
});

test("a mover's fragment has header and trailer of its record size, bound by the digest", () => {
  const header = sampleHeader({ layout: 'mover', blockSizeBytes: 10_240 });
  const fragment = moverFragment(header, 10_240);
  const { block, trailer } = fragment.trailerBlock({
    endReason: 'streamEnd',
    closedMs: 2n,
    records: 12n,
    streamEndBytes: 120_000n,
  });
  expect([fragment.headerBlock.length, block.length]).toEqual([10_240, 10_240]);
  expect(openTrailerBlock(block)).toEqual({ ...trailer, digest: Buffer.from(trailer.digest) });
  expect(trailer.digest.length).toBe(32);
  const reader = new FragmentReader(fragment.headerBlock);
  expect(reader.accept(block)).toMatchObject({ kind: 'trailer', verified: false });
});

test('headers that contradict themselves are refused', () => {
  const bad = (over: Parameters<typeof sampleHeader>[0]) =>
    expect(() => new FragmentWriter(sampleHeader(over))).toThrow(/invalidParameter/);
  bad({ blockSizeBytes: 1000 });
  bad({ blockSizeBytes: 8 * 1024 * 1024 });
  bad({ segment: Buffer.alloc(8) });
  bad({ streams: [sampleStream({ stream: 1 })] });
  bad({ streams: [sampleStream({ stream: 1 }), sampleStream({ stream: 1 })] });
});

test('blocks that are taken back leave no trace in what is sealed after them', () => {
  const counts = fc.array(fc.record({ more: fc.nat(9), back: fc.nat(9) }), { maxLength: 20 });
  fc.assert(
    fc.property(counts, (rounds) => {
      const header = sampleHeader();
      const writer = new FragmentWriter(header);
      const plain = new FragmentWriter(header);
      writer.headerBlock();
      plain.headerBlock();
      const seal = (on: FragmentWriter, fill: number, final = false): Uint8Array => {
        const block = Buffer.alloc(B, fill);
        on.seal(block, { payloadLength: P, final });
        return block;
      };
      let kept = 0;
      for (const { more, back } of rounds) {
        for (let n = 0; n < more; n += 1)
          seal(writer, kept + n, n === more - 1 && n >= more - back);
        const taken = Math.min(more, back);
        writer.unseal(taken);
        for (let n = 0; n < more - taken; n += 1) seal(plain, kept + n);
        kept += more - taken;
      }
      expect(seal(writer, 7, true)).toEqual(seal(plain, 7, true));
      const end = { endReason: 'mediumFull', closedMs: 1n } as const;
      expect(writer.trailerBlock(end).trailer).toEqual(plain.trailerBlock(end).trailer);
    }),
  );
});
