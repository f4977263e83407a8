// Replies of devices as they come, whole, cut, and out of order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSense, describeSense } from './sense.ts';
import { parseElementAddresses, parseElementStatus } from './smc.ts';
import * as spc from './spc.ts';
import * as ssc from './ssc.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('sense', () => {
  test('comes in two formats with one meaning', () => {
    const expected = {
      key: 0,
      code: 0x0001,
      filemark: true,
      endOfMedium: false,
      incorrectLength: false,
      information: -5,
      deferred: false,
    };
    expect(decodeSense(hex('f0 00 80 fffffffb 0a 00000000 0001 00 000000'))).toEqual(expected);
    const descriptors = '00 0a 80 00 fffffffffffffffb 04 02 00 80';
    expect(decodeSense(hex(`72 00 0001 000000 10 ${descriptors}`))).toEqual(expected);
  });

  test('says when information is not to be believed, and when an earlier command failed', () => {
    expect(decodeSense(hex('70 00 48 00000005 0a 00000000 0000 00 000000'))).toMatchObject({
      key: 8,
      endOfMedium: true,
      information: null,
    });
    const late = decodeSense(hex('71 00 03 00000000 0a 00000000 0c00 00 000000'));
    expect(late?.deferred).toBe(true);
    expect(late && describeSense(late)).toBe(
      'medium error of an earlier command 0c/00, write error',
    );
  });

  test('that is none, or cut, is read as far as it goes', () => {
    expect(decodeSense(Buffer.alloc(0))).toBeNull();
    expect(decodeSense(hex('00 01 02 03 04 05 06 07'))).toBeNull();
    expect(decodeSense(hex('f0 00 20 00000010'))).toBeNull();
    expect(decodeSense(hex('f0 00 20 00000010 0a'))).toMatchObject({
      incorrectLength: true,
      code: 0,
    });
  });

  test('of any bytes never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const sense = decodeSense(Buffer.from(bytes));
        if (sense) expect(describeSense(sense)).not.toBe('');
      }),
    );
  });
});

describe('elements', () => {
  const tag = (text: string, pad: number): Buffer =>
    Buffer.alloc(36, pad).fill(text, 0, text.length);
  function page(type: number, flags: number, descriptors: Buffer[]): Buffer {
    const body = Buffer.concat(descriptors);
    const header = Buffer.alloc(8);
    header[0] = type;
    header[1] = flags;
    header.writeUInt16BE(descriptors[0]?.length ?? 12, 2);
    header.writeUIntBE(body.length, 5, 3);
    return Buffer.concat([header, body]);
  }
  const slot = (address: number, barcode: string, pad = 0x20): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt16BE(address);
    head[2] = barcode === '' ? 8 : 9;
    return Buffer.concat([head, tag(barcode, pad), Buffer.alloc(8, 0xff)]);
  };

  test('are read in any order of types, with blanks or NULs behind tags and unknown bytes behind all', () => {
    const drive = Buffer.concat([
      slot(500, 'A00002L8').subarray(0, 48),
      hex('02000008'),
      Buffer.from('  DRV01 '),
    ]);
    drive[9] = 0x80;
    drive.writeUInt16BE(1001, 10);
    const data = Buffer.concat([
      Buffer.alloc(8),
      page(4, 0x80, [drive]),
      page(2, 0x80, [slot(1000, 'A00001L8', 0), slot(1001, '')]),
    ]);
    expect(parseElementStatus(data)).toEqual([
      {
        type: 4,
        address: 500,
        full: true,
        volumeTag: 'A00002L8',
        sourceAddress: 1001,
        serial: 'DRV01',
        mediumType: 0,
      },
      {
        type: 2,
        address: 1000,
        full: true,
        volumeTag: 'A00001L8',
        sourceAddress: null,
        serial: '',
        mediumType: 0,
      },
      {
        type: 2,
        address: 1001,
        full: false,
        volumeTag: '',
        sourceAddress: null,
        serial: '',
        mediumType: 0,
      },
    ]);
  });

  test('that are cut are read as far as they go', () => {
    const whole = Buffer.concat([Buffer.alloc(8), page(2, 0x80, [slot(1, 'A1'), slot(2, 'A2')])]);
    for (let bytes = 0; bytes <= whole.length; bytes++) {
      const elements = parseElementStatus(whole.subarray(0, bytes));
      expect(elements.length).toBe(bytes < 28 ? 0 : bytes < 84 ? 1 : 2);
    }
  });

  test('of any bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(parseElementStatus(Buffer.from(bytes)).length).toBeLessThan(20);
        parseElementAddresses(Buffer.from(bytes));
      }),
    );
  });
});

describe('other replies', () => {
  test('serial numbers lose what fills them up', () => {
    const data = Buffer.concat([hex('01 80 0024'), Buffer.from('DRV0000001'.padStart(36))]);
    expect(spc.parseUnitSerial(data)).toBe('DRV0000001');
    expect(spc.parseUnitSerial(data.subarray(0, 30))).toBe('');
    expect(spc.parseUnitSerial(hex('01 00 0000'))).toBe('');
    expect(spc.parseUnitSerial(hex('01 80'))).toBe('');
  });

  test('identifiers are read up to where they are cut', () => {
    const data = hex('01 83 0014 02010004 41424320 01030008 5000112233445566');
    expect(spc.parseIdentifiers(data)).toEqual([
      { type: 1, association: 0, value: 'ABC' },
      { type: 3, association: 0, value: '5000112233445566' },
    ]);
    expect(spc.parseIdentifiers(data.subarray(0, 20))).toHaveLength(1);
  });

  test('log pages give TapeAlert flags and capacity', () => {
    const alerts = hex('2e 00 000f 0003 00 01 01 0014 00 01 00 0027 00 01 01');
    expect(ssc.parseTapeAlert(spc.parseLogPage(0x2e, alerts))).toEqual([3, 39]);
    expect(ssc.parseTapeAlert(spc.parseLogPage(0x31, alerts))).toEqual([]);
    const capacity = hex('31 00 0010 0001 00 04 00000064 0003 00 04 000003e8');
    const parsed = ssc.parseCapacity(spc.parseLogPage(0x31, capacity));
    expect(parsed).toEqual({ remainingMib: 100, maxMib: 1000 });
    expect(ssc.parseCapacity(spc.parseLogPage(0x31, capacity.subarray(0, 12)))).toBeNull();
  });

  test('a position that cannot be true is none', () => {
    const position = (flags: number, object: number, file: number): Buffer => {
      const data = Buffer.alloc(32);
      data[0] = flags;
      data.writeBigUInt64BE(BigInt(object), 8);
      data.writeBigUInt64BE(BigInt(file), 16);
      return data;
    };
    expect(ssc.parseLongPosition(position(0x80, 0, 0))).toEqual({ object: 0, file: 0 });
    expect(ssc.parseLongPosition(position(0x01, 70_000, 3))).toEqual({ object: 70_000, file: 3 });
    for (const [flags, object, file] of [
      [0x20, 0, 0],
      [0x00, 0, 0],
      [0x80, 7, 0],
      [0x04, 7, 0],
      [0x00, 7, 8],
    ] as const) {
      expect(ssc.parseLongPosition(position(flags, object, file))).toBeNull();
    }
    expect(ssc.parseLongPosition(Buffer.alloc(20))).toBeNull();
  });

  test('of any bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const data = Buffer.from(bytes);
        spc.parseInquiry(data);
        spc.parseUnitSerial(data);
        spc.parseIdentifiers(data);
        spc.parseModeParameters(data);
        for (const page of [0x2e, 0x31]) {
          const parameters = spc.parseLogPage(page, data);
          ssc.parseTapeAlert(parameters);
          ssc.parseCapacity(parameters);
        }
        ssc.parseLongPosition(data);
        ssc.parseBlockLimits(data);
        ssc.parseAttribute(data, 0x0806);
      }),
    );
  });
});
