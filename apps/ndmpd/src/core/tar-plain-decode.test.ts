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
  const ns = (time: { seconds: number; nanoseconds: number } | undefined): bigint | undefined =>
    time && BigInt(time.seconds) * NS_PER_S + BigInt(time.nanoseconds);
  expect(ns(file)).toBe(long.mtimeNs);
  expect(ns(file.accessed)).toBe(long.atimeNs);
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

const record: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('mtime', 'atime', 'ctime', 'btime'),
    fc.nat(9_999_999_999),
    fc.constantFrom('', '.5', '.123456789', '.000000001', '.1234567890', '.', '.x'),
  )
  .map(([key, seconds, fraction]) => {
    const rest = ` ${key}=${seconds}${fraction}\n`;
    return `${rest.length + 2}${rest}`;
  });

/** As GNU tar writes them: several times in one extended header. */
function withRecords(records: readonly string[]): Buffer {
  const body = Buffer.from(records.join(''));
  const written: Member = {
    ...{ type: 'file', path: Buffer.from('f'), mode: 0o600, uid: 1, gid: 2, size: 10 },
    mtimeNs: 5n * NS_PER_S + 1n,
  };
  const [header, ustar] = [encodeMember(written).subarray(0, BLOCK_BYTES), encodeMember(written)];
  header.write(body.length.toString(8).padStart(11, '0'), 124, 'latin1');
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const padding = Buffer.alloc(paddingOf(body.length) + BLOCK_BYTES, 0);
  return Buffer.concat([
    header,
    body,
    padding.subarray(BLOCK_BYTES),
    ustar.subarray(-BLOCK_BYTES),
    Buffer.alloc(BLOCK_BYTES),
  ]);
}

test('several times are read as the long way reads them, or not at all', () => {
  let plain = 0;
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), (records) => {
      const image = withRecords(records);
      const file = decodePlain(image, 0, image.length);
      if (file === undefined || typeof file === 'number') return;
      plain += 1;
      expectSame(image, 0, file);
    }),
    { numRuns: 500 },
  );
  expect(plain).toBeGreaterThan(0);
});
