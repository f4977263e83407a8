import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SCAN_BLOCK_BYTES, SparseScan } from './sparse-scan.ts';
import {
  type DecodedMember,
  decodeHeader,
  decodeMember,
  decodePax,
  type Extended,
  ImageError,
  SparseMapReader,
} from './tar-decode.ts';
import { BLOCK_BYTES, type Extent, encodeMember, type Member, paddingOf } from './tar-encode.ts';
import { PLAIN_BYTES_MAX, PlainHeaders, plainMemberOf } from './tar-plain.ts';

/** Reads headers back the way a recovery does. */
function decode(blocks: Buffer): { member: DecodedMember; headerBytes: number } {
  const extended: Extended = { pax: new Map() };
  let at = 0;
  for (;;) {
    const header = decodeHeader(blocks.subarray(at, at + BLOCK_BYTES));
    if (header === undefined) throw new Error('zeros');
    at += BLOCK_BYTES;
    if (header.flag !== 'x') return { member: decodeMember(header, extended), headerBytes: at };
    for (const [key, value] of decodePax(blocks.subarray(at, at + header.size))) {
      extended.pax.set(key, value);
    }
    at += header.size + paddingOf(header.size);
  }
}

const component = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .map((bytes) => Buffer.from(bytes.map((b) => (b === 0 || b === 0x2f ? 0x61 : b))))
  .filter((name) => !['.', '..'].includes(name.toString('latin1')));
const path = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map((parts) => Buffer.concat(parts.flatMap((p) => [Buffer.from('/'), p])).subarray(1));
const base = {
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.nat(0xffff_fffe),
  gid: fc.nat(0xffff_fffe),
  mtimeNs: fc.oneof(
    fc.bigInt(-(10n ** 18n), 10n ** 19n),
    fc.bigInt(-(10n ** 9n), 10n ** 10n).map((seconds) => seconds * 1_000_000_000n),
  ),
};
const member: fc.Arbitrary<Member> = fc.oneof(
  fc.record({ ...base, type: fc.constant('file' as const), size: fc.maxSafeNat() }),
  fc.record({ ...base, type: fc.constant('directory' as const), size: fc.constant(0) }),
  fc.record({
    ...base,
    type: fc.constantFrom('symlink' as const),
    size: fc.constant(0),
    linkTarget: fc
      .uint8Array({ minLength: 1, maxLength: 4000 })
      .map((b) => Buffer.from(b.map((x) => x || 1))),
  }),
  fc.record({
    ...base,
    type: fc.constantFrom('hardlink' as const),
    size: fc.constant(0),
    linkTarget: path,
    linkOffset: fc.maxSafeNat(),
  }),
  fc.record({
    ...base,
    type: fc.constantFrom('char' as const, 'block' as const),
    size: fc.constant(0),
    deviceMajor: fc.nat(0o7777777),
    deviceMinor: fc.nat(0o7777777),
  }),
);

test('every member that can be written is read back as it was', () => {
  fc.assert(
    fc.property(member, (written) => {
      const blocks = encodeMember(written);
      expect(blocks.length % BLOCK_BYTES).toBe(0);
      const { member: read, headerBytes } = decode(blocks);
      expect(headerBytes).toBe(blocks.length);
      expect(read).toMatchObject(written);
    }),
  );
});

test('plain members are written the short way to the same end', () => {
  const space = Buffer.alloc(PLAIN_BYTES_MAX, 0xff);
  const headers = new PlainHeaders();
  const write = (written: Member): number => {
    const plain = plainMemberOf(written);
    return plain === undefined ? 0 : headers.write(space, plain);
  };
  const ordinary = fc.record({
    ...base,
    path: component.map((name) => name.subarray(0, 99)),
    type: fc.constant('file' as const),
    size: fc.nat(),
    mtimeNs: fc.oneof(
      fc.bigInt(10n ** 18n, 9n * 10n ** 18n),
      fc.bigInt(10n ** 9n, 9n * 10n ** 9n).map((seconds) => seconds * 10n ** 9n),
    ),
  });
  fc.assert(
    fc.property(fc.oneof(member, ordinary), (written) => {
      const before = Buffer.from(space);
      const bytes = write(written);
      const whole = encodeMember(written);
      if (bytes === 0) expect(space.equals(before)).toBe(true);
      else {
        expect(bytes).toBe(whole.length);
        expect(decode(space.subarray(0, bytes)).member).toEqual(decode(whole).member);
        // But for the name of the extended header, they are the same.
        expect(space.subarray(bytes - 1024 > 0 ? 512 : 0, bytes)).toEqual(
          whole.subarray(bytes - 1024 > 0 ? 512 : 0),
        );
      }
    }),
  );
  const file = { type: 'file', path: Buffer.from('a'), mode: 0o644, uid: 0, gid: 0 } as const;
  expect(write({ ...file, size: 1, mtimeNs: 10n ** 18n + 1n })).toBe(3 * BLOCK_BYTES);
  expect(write({ ...file, size: 1, mtimeNs: 10n ** 18n })).toBe(BLOCK_BYTES);
});

test('a name in a directory is written as its path would be', () => {
  const headers = new PlainHeaders();
  const [one, other] = [Buffer.alloc(PLAIN_BYTES_MAX), Buffer.alloc(PLAIN_BYTES_MAX)];
  const file = { mode: 0o640, uid: 1000, gid: 100, size: 5, mtimeSeconds: 1_700_000_000 };
  const rest = { ...file, mtimeNanoseconds: 7 };
  for (const [directory, name] of [
    ['', 'file'],
    ['some/where', '\xe9t\xe9'],
    ['d', 'x'.repeat(97)],
  ]) {
    const path = directory === '' ? `${name}` : `${directory}/${name}`;
    const inDirectory = { ...rest, directory: Buffer.from(`${directory}`), name: `${name}` };
    expect(headers.write(one, inDirectory)).toBe(PLAIN_BYTES_MAX);
    headers.write(other, { ...rest, directory: Buffer.alloc(0), name: path });
    expect(one).toEqual(other);
  }
  expect(headers.write(one, { ...rest, directory: Buffer.from('dd'), name: 'x'.repeat(97) })).toBe(
    0,
  );
});

test('attributes with any bytes survive', () => {
  const xattrs = [
    { name: Buffer.from('user.a=b%3D\u00ff', 'latin1'), value: Buffer.from([0, 10, 61, 255]) },
    { name: Buffer.from('user.empty'), value: Buffer.alloc(0) },
  ];
  const plain = { mode: 0o644, uid: 0, gid: 0, size: 1, mtimeNs: 0n };
  const written: Member = { type: 'file', path: Buffer.from('a'), ...plain, xattrs };
  expect(decode(encodeMember(written)).member.xattrs).toEqual(xattrs);
});

describe('holes', () => {
  const extents: Extent[] = [
    { offset: 4096, length: 8192 },
    { offset: 2 ** 40, length: 4096 },
    { offset: 2 ** 41, length: 0 },
  ];
  const sparse: Member = {
    type: 'file',
    path: Buffer.from('dir/disk.img'),
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: 2 ** 41,
    mtimeNs: 5n,
    extents,
  };

  test('the map is stored in front of the data and counts into the stored size', () => {
    const blocks = encodeMember(sparse);
    const { member: read, headerBytes } = decode(blocks);
    const mapBytes = blocks.length - headerBytes;
    expect(read).toMatchObject({ path: sparse.path, size: 2 ** 41, isSparse: true });
    expect(read.storedBytes).toBe(mapBytes + 8192 + 4096);
    const map = new SparseMapReader();
    const results: boolean[] = [];
    for (let at = headerBytes; at < blocks.length; at += BLOCK_BYTES) {
      results.push(map.push(blocks.subarray(at, at + BLOCK_BYTES)));
    }
    expect(results.at(-1)).toBe(true);
    expect(map.extents(read.size)).toEqual(extents);
  });

  test('maps that overlap, overflow or are no numbers are refused', () => {
    const feed = (text: string, size: number): Extent[] => {
      const map = new SparseMapReader();
      const block = Buffer.alloc(BLOCK_BYTES);
      block.write(text);
      map.push(block);
      return map.extents(size);
    };
    expect(feed('1\n0\n5\n', 5)).toEqual([{ offset: 0, length: 5 }]);
    expect(() => feed('1\n0\n6\n', 5)).toThrow(ImageError);
    expect(() => feed('2\n0\n4\n3\n1\n', 9)).toThrow(ImageError);
    expect(() => feed('1\n-1\n4\n', 9)).toThrow(ImageError);
    expect(() => feed('123456789012345678901234567890', 9)).toThrow(ImageError);
  });

  test('a scan finds exactly the blocks that hold something', () => {
    const blocks = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(blocks, fc.integer({ min: 1, max: SCAN_BLOCK_BYTES }), (filled, lastBytes) => {
        const bytes = Buffer.concat(
          filled.map((isData, i) => {
            const length = i === filled.length - 1 ? lastBytes : SCAN_BLOCK_BYTES;
            return Buffer.alloc(length, isData ? 1 : 0);
          }),
        );
        const scan = new SparseScan();
        for (let at = 0; at < bytes.length; at += 3 * SCAN_BLOCK_BYTES) {
          scan.push(bytes.subarray(at, at + 3 * SCAN_BLOCK_BYTES));
        }
        const rebuilt = Buffer.alloc(bytes.length);
        let end = -1;
        for (const { offset, length } of scan.finish()) {
          expect(offset).toBeGreaterThan(end);
          end = offset + length;
          rebuilt.fill(1, offset, end);
        }
        expect(rebuilt.equals(bytes)).toBe(true);
        expect(end).toBe(bytes.length);
      }),
    );
  });
});

describe('damage', () => {
  const whole = encodeMember({
    type: 'file',
    path: Buffer.from('name'),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 10,
    mtimeNs: 1n,
  });

  test('any changed byte of a header is noticed or changes nothing', () => {
    const header = whole.subarray(-BLOCK_BYTES);
    const at = fc.nat(BLOCK_BYTES - 1);
    fc.assert(
      fc.property(at, fc.integer({ min: 1, max: 255 }), (position, flip) => {
        const damaged = Buffer.from(header);
        damaged[position] = (damaged[position] as number) ^ flip;
        try {
          expect(decodeHeader(damaged)).toEqual(decodeHeader(header));
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
    );
  });

  test('zeros are the end, and random bytes are no extended header', () => {
    expect(decodeHeader(Buffer.alloc(BLOCK_BYTES))).toBeUndefined();
    for (const text of ['12 mtime=5', '99 path=x\n', '5 abc\n', 'x path=y\n', '-4 a=b\n']) {
      expect(() => decodePax(Buffer.from(text))).toThrow(ImageError);
    }
  });
});
