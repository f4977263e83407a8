// Digests, framing and text below everything else.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IscsiError } from '../iscsi-error.ts';
import { crc32c } from './crc32c.ts';
import { sliceParts } from './parts.ts';
import { AT, type Digests, encodeLun, encodePdu, newHeader, OPCODE } from './pdu.ts';
import { PduFramer } from './pdu-framer.ts';
import { serialDifference, serialNext } from './serial-number.ts';
import { decodeBinary, decodeKeys, decodeNumber, encodeKeys, TextCollector } from './text-keys.ts';

const NO_DIGESTS = { header: false, data: false };

function framed(bytes: Buffer, cutBytes: number, digests: Digests = NO_DIGESTS): string[] {
  const seen: string[] = [];
  const framer = new PduFramer(100_000, {
    place: (header) =>
      header[0] === OPCODE.dataIn ? Buffer.alloc(header.readUIntBE(5, 3)) : undefined,
    receive: (header, data) => seen.push(`${header.toString('hex')} ${data.toString('hex')}`),
  });
  framer.digests = digests;
  try {
    for (let at = 0; at < bytes.length; at += cutBytes) {
      framer.push(Buffer.from(bytes.subarray(at, at + cutBytes)));
    }
  } catch (error) {
    if (!(error instanceof IscsiError)) throw error;
    seen.push(error.message);
  }
  return seen;
}

const pdu = fc.record({
  opcode: fc.constantFrom(OPCODE.dataIn, OPCODE.scsiResponse, OPCODE.nopIn),
  tag: fc.nat(),
  data: fc.uint8Array({ maxLength: 300 }),
  ahsWords: fc.nat(3),
});

function encode(
  {
    opcode,
    tag,
    data,
    ahsWords,
  }: { opcode: number; tag: number; data: Uint8Array; ahsWords: number },
  digests: Digests,
): Buffer {
  const header = newHeader(opcode, 0x80, tag);
  if (ahsWords === 0) return Buffer.concat(encodePdu(header, [data], digests));
  header[AT.ahsWords] = ahsWords;
  header.writeUIntBE(data.length, 5, 3);
  const ahs = Buffer.alloc(ahsWords * 4);
  ahs.writeUInt16BE(ahsWords * 4 - 3);
  const rest = encodePdu(newHeader(opcode, 0, 0), [data], { ...digests, header: false }).slice(1);
  const digest = Buffer.alloc(digests.header ? 4 : 0);
  if (digests.header) digest.writeUInt32LE(crc32c([header, ahs]));
  return Buffer.concat([header, ahs, digest, ...rest]);
}

const digestChoice = fc.record({ header: fc.boolean(), data: fc.boolean() });

describe('framing', () => {
  test('the cut of the bytes does not matter', () => {
    fc.assert(
      fc.property(
        fc.array(pdu, { maxLength: 5 }),
        digestChoice,
        fc.integer({ min: 1, max: 70 }),
        (pdus, digests, cut) => {
          const bytes = Buffer.concat(pdus.map((each) => encode(each, digests)));
          const whole = framed(bytes, bytes.length + 1, digests);
          expect(whole).toHaveLength(pdus.length);
          expect(whole.map((line) => line.split(' ')[1])).toEqual(
            pdus.map(({ data }) => Buffer.from(data).toString('hex')),
          );
          expect(framed(bytes, cut, digests)).toEqual(whole);
          expect(framed(bytes, 1, digests)).toEqual(whole);
        },
      ),
    );
  });

  test('with digests no flipped bit goes unseen', () => {
    fc.assert(
      fc.property(pdu, fc.nat(), (one, where) => {
        const digests = { header: true, data: true };
        const bytes = encode(one, digests);
        const good = framed(bytes, bytes.length, digests);
        const bit = where % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(framed(bytes, bytes.length, digests)).not.toEqual(good);
      }),
    );
  });

  test('whatever comes, nothing but a protocol error is thrown, the same in every cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), digestChoice, (bytes, digests) => {
        const whole = framed(Buffer.from(bytes), bytes.length + 1, digests);
        expect(framed(Buffer.from(bytes), 1, digests)).toEqual(whole);
      }),
    );
  });

  test('a length that is not taken ends the stream with its header', () => {
    const header = newHeader(OPCODE.nopIn, 0x80, 1);
    header.writeUIntBE(100_001, 5, 3);
    expect(framed(header, 48)).toEqual([
      'iSCSI protocol: a data segment of 100001 bytes, 100000 are taken',
    ]);
  });

  test('memory grows with what arrived, not with what is announced', () => {
    let held = 0;
    const framer = new PduFramer(16_000_000, { place: () => undefined, receive: () => {} });
    const header = newHeader(OPCODE.nopIn, 0x80, 1);
    header.writeUIntBE(16_000_000, 5, 3);
    const alloc = Buffer.alloc;
    Buffer.alloc = ((size: number, ...rest: []) => {
      held = Math.max(held, size);
      return alloc(size, ...rest);
    }) as typeof Buffer.alloc;
    try {
      framer.push(header);
      framer.push(alloc(100));
      expect(held).toBeLessThan(10_000);
      framer.push(alloc(50_000));
      expect(held).toBeLessThan(200_000);
    } finally {
      Buffer.alloc = alloc;
    }
  });

  test('additional headers that do not add up are refused', () => {
    const header = Buffer.concat([newHeader(OPCODE.nopIn, 0x80, 1), Buffer.from([0, 9, 1, 0])]);
    header[AT.ahsWords] = 1;
    expect(framed(header, 100)).toEqual([
      'iSCSI protocol: additional headers longer than their list',
    ]);
  });
});

describe('numbers and text', () => {
  test('CRC32C has the values of RFC 7143', () => {
    expect(crc32c([Buffer.from('123456789')])).toBe(0xe306_9283);
    expect(crc32c([Buffer.alloc(32)])).toBe(0x8a91_36aa);
    expect(crc32c([Buffer.alloc(32, 0xff)])).toBe(0x62a8_ab43);
    expect(crc32c([Buffer.from(Array.from({ length: 32 }, (_, i) => i))])).toBe(0x46dd_794e);
  });

  test('CRC32C of parts is that of the whole', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (parts) => {
        expect(crc32c(parts)).toBe(crc32c([Buffer.concat(parts)]));
      }),
    );
  });

  test('serial numbers go round', () => {
    expect(serialNext(0xffff_ffff)).toBe(0);
    expect(serialDifference(0, 0xffff_ffff)).toBe(1);
    expect(serialDifference(0xffff_fff0, 5)).toBeLessThan(0);
  });

  test('parts are cut where asked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 20 })),
        fc.nat(99),
        fc.nat(99),
        (parts, a, b) => {
          const whole = Buffer.concat(parts);
          const offset = Math.min(a, whole.length);
          const bytes = Math.min(b, whole.length - offset);
          const cut = Buffer.concat(sliceParts(parts, offset, bytes));
          expect(cut).toEqual(whole.subarray(offset, offset + bytes));
        },
      ),
    );
  });

  test('logical units below 256 are peripheral addresses, others flat', () => {
    expect(encodeLun(3).toString('hex')).toBe('0003000000000000');
    expect(encodeLun(300).toString('hex')).toBe('412c000000000000');
  });

  test('keys come back, and text without a key is refused', () => {
    const keys = [
      ['A', '1'],
      ['B', 'x=y'],
    ] as const;
    expect(decodeKeys(encodeKeys(keys))).toEqual(keys);
    expect(() => decodeKeys(Buffer.from('nothing\0'))).toThrow('text without a key');
    expect(() => decodeKeys(Buffer.from('=1\0'))).toThrow('text without a key');
  });

  test('numbers and binary values are read in both notations, within their range', () => {
    expect(decodeNumber('K', '0x1F', [0, 99])).toBe(31);
    for (const bad of ['', '-1', '1.5', '100', 'ten', '0x', '1e1']) {
      expect(() => decodeNumber('K', bad, [0, 99])).toThrow('not a number');
    }
    expect(decodeBinary('K', '0xabc', 9)).toEqual(Buffer.from('0abc', 'hex'));
    expect(decodeBinary('K', '0bAQID', 9)).toEqual(Buffer.of(1, 2, 3));
    for (const bad of ['', '0x', 'abc', '0xzz', '0x0102030405060708090a']) {
      expect(() => decodeBinary('K', bad, 9)).toThrow('not a binary value');
    }
  });

  test('a text without an end is given up', () => {
    const collector = new TextCollector();
    expect(() => {
      for (let i = 0; i < 100; i++) collector.add(Buffer.alloc(1000));
    }).toThrow('a text without an end');
  });
});
