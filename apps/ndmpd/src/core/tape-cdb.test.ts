// Each CDB that a DMA may pass through to the drive, against its bytes.

import { describe, expect, test } from 'vitest';
import { DEVICE_TYPE } from './scsi-inquiry.ts';
import { type TapeFacts, tapeReply } from './tape-cdb.ts';

const MIB = 1024 * 1024;
const LOAD = { loaded: true, barcode: 'A00001L8', writeProtected: false, worm: false };
const LOADED: TapeFacts = {
  identity: {
    deviceType: DEVICE_TYPE.tape,
    vendor: 'TAPESTRY',
    product: 'VIRTUAL DRIVE',
    revision: '0100',
    serial: 'LIBD0',
  },
  load: LOAD,
  position: { object: 0x0102030405, file: 7, block: 3 },
  capacity: { capacityBytes: 100 * MIB, usedBytes: 30 * MIB + 1 },
  tapeAlerts: [],
  blockBytesMin: 1,
  blockBytesMax: 0xffffff,
};
const EMPTY: TapeFacts = {
  ...LOADED,
  load: { loaded: false, barcode: null, writeProtected: false, worm: false },
  position: null,
  capacity: null,
};
const BROKEN: TapeFacts = { ...EMPTY, load: null };
const AT_BEGIN: TapeFacts = { ...LOADED, position: { object: 0, file: 0, block: 0 } };
const WORM: TapeFacts = { ...LOADED, load: { ...LOAD, writeProtected: true, worm: true } };

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const zeros = (bytes: number): string => '00'.repeat(bytes);

describe('answers byte by byte', () => {
  test.each<[string, string, TapeFacts, string]>([
    ['TEST UNIT READY', '000000000000', LOADED, ''],
    ['READ BLOCK LIMITS', '050000000000', EMPTY, '00 ffffff 0001'],
    ['INQUIRY of an empty drive', '12 00 00 00 04 00', EMPTY, '0180 0602'],
    ['VPD 80', '12 01 80 00 ff 00', LOADED, '0180 0005 4c49424430'],
    ['READ POSITION short at BOP', '34 00 0000000000000000', AT_BEGIN, `80 ${zeros(19)}`],
    ['READ POSITION short, too far', '34 00 0000000000000000', LOADED, `02 ${zeros(19)}`],
    [
      'READ POSITION short',
      '34 00 0000000000000000',
      { ...LOADED, position: { object: 9, file: 0, block: 9 } },
      `00000000 00000009 00000009 ${zeros(8)}`,
    ],
    [
      'READ POSITION short of a drive that cannot tell',
      '34 00 0000000000000000',
      { ...LOADED, position: { object: null, file: 2, block: 9 } },
      `04 ${zeros(19)}`,
    ],
    [
      'READ POSITION long',
      '34 06 0000000000000000',
      LOADED,
      `00000000 00000000 0000000102030405 0000000000000007 ${zeros(8)}`,
    ],
    [
      'READ POSITION extended',
      '34 08 00 00 00 00 00 0020 00',
      LOADED,
      `0000001c 00000000 0000000102030405 0000000102030405 ${zeros(8)}`,
    ],
    ['MODE SENSE(6) 0F', '1a 00 0f 00 ff 00', LOADED, `1b001008 ${zeros(8)} 0f0e ${zeros(14)}`],
    [
      'MODE SENSE(6) 10, no DBD',
      '1a 08 10 00 ff 00',
      WORM,
      '13009000 100e000000000000 4000100000000000',
    ],
    [
      'MODE SENSE(10) 1D of WORM',
      '5a 08 1d 00 00 00 00 00 ff 00',
      WORM,
      `0026 00 90 0000 0000 1d1e 01 00 01 01 ${zeros(26)}`,
    ],
    ['LOG SENSE, pages', '4d 00 40 00 00 00 00 00 ff 00', LOADED, '00000003 002e31'],
    ['LOG SENSE, pages of an empty drive', '4d 00 40 00 00 00 00 00 ff 00', EMPTY, '00000002 002e'],
    [
      'LOG SENSE capacity',
      '4d 00 71 00 00 00 00 00 ff 00',
      LOADED,
      '31000010 0001 00 04 00000045 0003 00 04 00000064',
    ],
  ])('%s', (_name, cdb, facts, expected) => {
    const reply = tapeReply(hex(cdb), facts);
    expect(reply.status).toBe(0);
    expect(reply.data.toString('hex')).toBe(expected.replaceAll(' ', ''));
  });

  test('TapeAlert has its 64 flags, those of the drive raised', () => {
    const raised = { ...LOADED, tapeAlerts: [6, 20] };
    const { data } = tapeReply(hex('4d 00 6e 00 00 00 00 04 00 00'), raised);
    expect([data[0], data.readUInt16BE(2), data.length]).toEqual([0x2e, 64 * 5, 4 + 64 * 5]);
    for (let flag = 1; flag <= 64; flag++) {
      expect(data.subarray(4 + 5 * (flag - 1), 4 + 5 * flag)).toEqual(
        Buffer.from([0, flag, 0, 1, flag === 6 || flag === 20 ? 1 : 0]),
      );
    }
  });
});

describe('refusals', () => {
  test.each<[string, string, TapeFacts, number[]]>([
    ['TEST UNIT READY of an empty drive', '000000000000', EMPTY, [2, 0x3a, 0]],
    ['TEST UNIT READY of a broken medium', '000000000000', BROKEN, [3, 0x30, 0]],
    ['READ POSITION of a broken medium', '34 00 0000000000000000', BROKEN, [3, 0x30, 0]],
    ['READ POSITION of an empty drive', '34 00 0000000000000000', EMPTY, [2, 0x3a, 0]],
    ['READ POSITION: no such form', '34 01 0000000000000000', LOADED, [5, 0x24, 0]],
    ['READ BLOCK LIMITS: MLOI', '05 01 00000000', LOADED, [5, 0x24, 0]],
    ['REWIND', '010000000000', LOADED, [5, 0x20, 0]],
    ['WRITE(6)', '0a0000000000', LOADED, [5, 0x20, 0]],
  ])('%s', (_name, cdb, facts, expected) => {
    const { status, sense } = tapeReply(hex(cdb), facts);
    expect([status, [sense[2], sense[12], sense[13]]]).toEqual([2, expected]);
  });
});
