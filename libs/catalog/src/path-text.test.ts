import fc from 'fast-check';
import { expect, test } from 'vitest';
import { normalizePath, pathBelowPrefix, pathFromBytes, pathToBytes } from './path-text.ts';

const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0, 0x2f, 0xc3, 0xa9, 0xf4, 0x8f, 0xb8, 0xba, 0x80),
);

test('any bytes survive the way to text and back, through UTF-8', () => {
  fc.assert(
    fc.property(fc.uint8Array({ max: 255, maxLength: 12 }), fc.array(byte), (a, b) => {
      for (const bytes of [Buffer.from(a), Buffer.from(b)]) {
        const text = pathFromBytes(bytes);
        expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text);
        expect(pathToBytes(text)).toEqual(bytes);
      }
    }),
    { numRuns: 2000 },
  );
});

test('names that are valid UTF-8 stay readable, all others are escaped byte for byte', () => {
  expect(pathFromBytes(Buffer.from('/vol1/Grüße 🎉'))).toBe('/vol1/Grüße 🎉');
  expect(pathFromBytes(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\u{10feff}b');
  expect(pathFromBytes(Buffer.from([0xc3, 0x28]))).toBe('\u{10fec3}(');
  const escapeItself = Buffer.from('\u{10feff}', 'utf8');
  expect(pathToBytes(pathFromBytes(escapeItself))).toEqual(escapeItself);
});

test('joining at a separator commutes with the conversion', () => {
  fc.assert(
    fc.property(fc.array(byte), fc.array(byte), (a, b) => {
      const joined = Buffer.concat([Buffer.from(a), Buffer.from('/'), Buffer.from(b)]);
      expect(pathFromBytes(joined)).toBe(
        `${pathFromBytes(Buffer.from(a))}/${pathFromBytes(Buffer.from(b))}`,
      );
    }),
  );
});

test('paths from users are made canonical', () => {
  expect(normalizePath('vol1//a/./b/')).toBe('/vol1/a/b');
  expect(normalizePath('')).toBe('/');
  expect(normalizePath('/a/../b')).toBeUndefined();
  expect(normalizePath('/\u{10fec3}\u{10fea9}')).toBe('/é');
});

test('a path goes back to what lies below the backup root', () => {
  expect(pathBelowPrefix('/vol1', '/vol1')).toBe('/');
  expect(pathBelowPrefix('/vol1/a', '/vol1')).toBe('/a');
  expect(pathBelowPrefix('/vol10/a', '/vol1')).toBeUndefined();
  expect(pathBelowPrefix('/a', '/')).toBe('/a');
});
