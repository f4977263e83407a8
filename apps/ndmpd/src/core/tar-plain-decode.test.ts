// The short way of reading a header says what the long way says, or nothing.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeHeader, decodeMember, decodePax, type Extended } from './tar-decode.ts';
import { BLOCK_BYTES, encodeMember, type Member, paddingOf } from './tar-encode.ts';
import { decodePlain, PLAIN_DATA_BYTES_MAX, type PlainFile } from './tar-plain-decode.ts';

const NS_PER_S = 1_000_000_000n;
const member: fc.Arbitrary<Member> = fc.record({
  type: fc.constantFrom('file' as const, 'file' as const, 'fifo' as const, 'directory' as const),
  path: fc
    .uint8Array({ minLength: 1, maxLength: 130 })
    .map((bytes) => Buffer.from(bytes.map((byte) => byte || 0x61))),
  mode: fc.nat(0o7777),
  uid: fc.nat(3_000_000),
  gid: fc.nat(3_000_000),
  size: fc.nat(2 * PLAIN_DATA_BYTES_MAX),
  mtimeNs: fc.oneof(
    fc.bigInt(-(10n ** 18n), 10n ** 19n),
    fc.bigInt(-10n, 10n ** 10n).map((seconds) => seconds * NS_PER_S),
  ),
});

/** Headers and data, after a few bytes that are none of it. */
function imageOf(written: Member, lead: number): Buffer {
  const data = written.type === 'file' ? written.size + paddingOf(written.size) : 0;
  return Buffer.concat([Buffer.alloc(lead, 7), encodeMember(written), Buffer.alloc(data, 'data')]);
}

/** As the long way has it; throws on damage. */
function readLong(blocks: Buffer) {
  const extended: Extended = { pax: new Map() };
  let at = 0;
  for (;;) {
    const header = decodeHeader(blocks.subarray(at, at + BLOCK_BYTES));
    if (header === undefined) throw new Error('zeros');
    at += BLOCK_BYTES;
    if (header.flag !== 'x') return { member: decodeMember(header, extended), dataAt: at };
    const body = blocks.subarray(at, at + header.size);
    for (const [key, value] of decodePax(body)) extended.pax.set(key, value);
    at += header.size + paddingOf(header.size);
  }
}

function expectSame(image: Buffer, lead: number, file: PlainFile): void {
  const { member: long, dataAt } = readLong(image.subarray(lead));
  const { mode, uid, gid, size } = long;
  expect(file).toMatchObject({ mode, uid, gid, size, dataAt: lead + dataAt });
  expect(file.end).toBe(file.dataAt + size + paddingOf(size));
  expect(BigInt(file.seconds) * NS_PER_S + BigInt(file.nanoseconds)).toBe(long.mtimeNs);
  const name = image.toString('latin1', file.nameAt, file.nameEnd);
  const trimmed = name.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  expect(long.type).toBe('file');
  expect(trimmed === '.' ? '' : trimmed).toBe(long.path.toString('latin1'));
}

test('a file is read as the long way reads it, or not at all', () => {
  let plain = 0;
  fc.assert(
    fc.property(member, fc.nat(600), (written, lead) => {
      const image = imageOf(written, lead);
      const file = decodePlain(image, lead, image.length);
      expect(typeof file).not.toBe('number');
      if (file === undefined || typeof file === 'number') return;
      plain += 1;
      expectSame(image, lead, file);
    }),
    { numRuns: 500 },
  );
  expect(plain).toBeGreaterThan(0);
});

test('cut off anywhere, it asks for bytes until all are there', () => {
  const ordinary = member.filter(({ type, size }) => type === 'file' && size < 5000);
  fc.assert(
    fc.property(ordinary, (written) => {
      const image = imageOf(written, 0);
      const whole = decodePlain(image, 0, image.length);
      let have = 0;
      for (;;) {
        const found = decodePlain(image, 0, have);
        if (typeof found !== 'number') {
          expect(found).toEqual(whole);
          return;
        }
        expect(found).toBeGreaterThan(have);
        expect(found).toBeLessThanOrEqual(image.length);
        have = found;
      }
    }),
  );
});

test('a damaged header is never taken for a sound one', () => {
  const ordinary = member.filter(({ type, size }) => type === 'file' && size < 5000);
  fc.assert(
    fc.property(ordinary, fc.nat(4096), fc.integer({ min: 1, max: 255 }), (written, at, flip) => {
      const image = imageOf(written, 0);
      const where = at % encodeMember(written).length;
      image[where] = (image[where] as number) ^ flip;
      const file = decodePlain(image, 0, image.length);
      if (file !== undefined && typeof file !== 'number') expectSame(image, 0, file);
    }),
    { numRuns: 500 },
  );
});
