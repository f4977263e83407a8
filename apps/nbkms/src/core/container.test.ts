import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeHeader, FIELD, type Header, parseFile, TRAILER_BYTES } from './container.ts';

const anyHeader: fc.Arbitrary<Header> = fc.record({
  kind: fc.constantFrom('data' as const, 'kpk' as const, 'hmk' as const),
  flags: fc.nat(15),
  storeId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
  generation: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  epoch: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  writtenMs: fc.bigInt({ min: 0n, max: 2n ** 60n }),
  fields: fc
    .array(fc.tuple(fc.constantFrom(1, 2, 3, 5, 8, 0x8001), fc.uint8Array({ maxLength: 40 })))
    .map((list) => new Map(list.map(([type, value]) => [type, Buffer.from(value)]))),
});

function fileOf(header: Header, body: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(body.length));
  const fields = new Map([...header.fields, [FIELD.bodyLength, length]]);
  return Buffer.concat([encodeHeader({ ...header, fields }), body, Buffer.alloc(TRAILER_BYTES)]);
}

test('what is written as a header is read back', () => {
  fc.assert(
    fc.property(anyHeader, fc.uint8Array({ maxLength: 50 }), (header, bytes) => {
      const file = fileOf(header, Buffer.from(bytes));
      const parts = parseFile(file, header.kind);
      const { fields, ...rest } = parts!.header;
      const { fields: given, ...expected } = header;
      expect(rest).toEqual(expected);
      for (const [type, value] of given) expect(fields.get(type)).toEqual(value);
      expect(parts!.body).toEqual(Buffer.from(bytes));
      expect(parts!.headerBytes.length % 8).toBe(0);
    }),
  );
});

test('bytes that are no such file are refused, not believed', () => {
  fc.assert(
    fc.property(anyHeader, fc.nat(), fc.nat(255), (header, at, value) => {
      const file = fileOf(header, Buffer.from('body'));
      file[at % file.length] = value;
      expect(() => parseFile(file, header.kind)).not.toThrow();
    }),
  );
  const header = fc.sample(anyHeader, 1)[0]!;
  const file = fileOf({ ...header, kind: 'kpk' }, Buffer.alloc(0));
  expect(parseFile(file, 'hmk')).toBeUndefined();
  const unknown = new Map([[99, Buffer.alloc(1)]]);
  expect(
    parseFile(fileOf({ ...header, fields: unknown }, Buffer.alloc(0)), header.kind),
  ).toBeUndefined();
});
