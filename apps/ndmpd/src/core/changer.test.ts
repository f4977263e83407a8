// Each CDB against its bytes. The library: robot 0, drives 256 and 257, import/export 768, slots 1024 to 1026.

import type { LibraryElement } from '@tapestry/storage';
import { describe, expect, test } from 'vitest';
import { type ChangerFacts, changerStep, libraryRefusal } from './changer.ts';
import { DEVICE_TYPE } from './scsi-inquiry.ts';
import { cdbBytes } from './scsi-reply.ts';

const BLANK: Omit<LibraryElement, 'address' | 'type' | 'index'> = {
  full: false,
  barcode: null,
  sourceAddress: null,
  accessible: true,
  driveSerial: null,
};
const tape = (barcode: string | null, sourceAddress: number | null = null) => ({
  full: true,
  barcode,
  sourceAddress,
});

const ELEMENTS: readonly LibraryElement[] = [
  { ...BLANK, address: 0, type: 'robot', index: 0 },
  {
    ...BLANK,
    ...tape('A00001L8', 1024),
    address: 256,
    type: 'drive',
    index: 0,
    accessible: false,
    driveSerial: 'LIBD0',
  },
  { ...BLANK, address: 257, type: 'drive', index: 1, driveSerial: 'LIBD1' },
  { ...BLANK, ...tape('B00001L8'), address: 768, type: 'importExport', index: 0 },
  { ...BLANK, address: 1024, type: 'slot', index: 0 },
  { ...BLANK, ...tape('A00002L8', 256), address: 1025, type: 'slot', index: 1 },
  { ...BLANK, ...tape(null, 768), address: 1026, type: 'slot', index: 2 },
];

const FACTS: ChangerFacts = {
  identity: {
    deviceType: DEVICE_TYPE.changer,
    vendor: 'TAPESTRY',
    product: 'VIRTUAL LIBRARY',
    revision: '0100',
    serial: 'LIB00001',
  },
  elements: ELEMENTS,
  drives: { vendor: 'TAPESTRY', product: 'VIRTUAL DRIVE', revision: '0100' },
};

const cdb = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const ask = (hex: string) => changerStep(cdb(hex), FACTS);

function dataOf(hex: string): Buffer {
  const step = ask(hex);
  if (step.do !== 'reply') throw new Error(`${hex} does not answer at once`);
  expect(step.reply).toMatchObject({ status: 0 });
  return step.reply.data;
}

/** Key, ASC, ASCQ, and the CDB byte that sense points at. */
function senseOf(hex: string): string {
  const step = ask(hex);
  if (step.do !== 'reply') throw new Error(`${hex} does not answer at once`);
  const { status, sense, data } = step.reply;
  expect([status, data.length, sense.length, sense[0], sense[7]]).toEqual([2, 0, 18, 0x70, 10]);
  const code = [sense[2], sense[12], sense[13]].map((n) => n?.toString(16).padStart(2, '0'));
  return sense[15] === 0xc0 ? `${code.join(' ')} @${sense.readUInt16BE(16)}` : code.join(' ');
}

const text = (value: string, bytes: number): string =>
  Buffer.from(value.padEnd(bytes)).toString('hex');
const tag = (barcode: string): string => `${text(barcode, 32)}00000000`;
const hexOf = (...parts: string[]): string => parts.join('').replaceAll(' ', '');
const IDENTITY = `${text('TAPESTRY', 8)}${text('VIRTUAL LIBRARY', 16)}`;
const driveId = (serial: string): string =>
  hexOf('02 01 00 1d', text('TAPESTRY', 8), text('VIRTUAL DRIVE', 16), text(serial, 5));

describe('answers byte by byte', () => {
  test.each([
    ['TEST UNIT READY', '000000000000', ''],
    ['INQUIRY', '12 00 00 00 80 00', `0880 0602 1f 000000 ${IDENTITY}30313030`],
    ['INQUIRY, cut short', '12 00 00 00 05 00', '0880 0602 1f'],
    ['VPD 00', '12 01 00 00 ff 00', '0800 0003 008083'],
    ['VPD 80', '12 01 80 00 ff 00', `0880 0008 ${text('LIB00001', 8)}`],
    ['VPD 83', '12 01 83 00 ff 00', `0883 0024 02010020 ${IDENTITY}${text('LIB00001', 8)}`],
    ['REQUEST SENSE', '03 00 00 00 ff 00', '70000000000000 0a 00000000000000000000'],
    [
      'MODE SENSE(6) 1D',
      '1a 08 1d 00 ff 00',
      '17000000 1d12 0000 0001 0400 0003 0300 0001 0100 0002 0000',
    ],
    [
      'MODE SENSE(10) 1D',
      '5a 08 1d 00 00 00 00 00 ff 00',
      '001a000000000000 1d12 0000 0001 0400 0003 0300 0001 0100 0002 0000',
    ],
    ['MODE SENSE(6) 1E', '1a 08 1e 00 ff 00', '07000000 1e020000'],
    [
      'MODE SENSE(6) 1F',
      '1a 08 1f 00 ff 00',
      '17000000 1f12 0e00 000e0e0e 00000000 00000000 00000000',
    ],
    [
      'MODE SENSE(6) 1F, what can change',
      '1a 08 5f 00 ff 00',
      '17000000 1f12 000000000000000000000000000000000000',
    ],
    ['MODE SENSE(6), cut short', '1a 08 1d 00 06 00', '17000000 1d12'],
    ['LOG SENSE, pages', '4d 00 40 00 00 00 00 00 ff 00', '00000002 002e'],
    [
      'LOG SENSE TapeAlert from 63',
      '4d 00 6e 00 00 00 3f 00 ff 00',
      '2e00000a 003f000100 0040000100',
    ],
    ['PREVENT', '1e 00 00 00 01 00', ''],
    ['ALLOW', '1e 00 00 00 00 00', ''],
  ])('%s', (_name, command, expected) => {
    expect(dataOf(command).toString('hex')).toBe(hexOf(expected));
  });

  test('MODE SENSE of all pages has them in ascending order', () => {
    const data = dataOf('1a 08 3f 00 ff 00');
    expect([data[0], data[4], data[24], data[28]]).toEqual([47, 0x1d, 0x1e, 0x1f]);
  });
});

describe('READ ELEMENT STATUS', () => {
  const slots = [
    `0400 0800 0000 0000 0000 0000`,
    `0401 0900 0000 0000 0001 0000`, // from a drive: no storage element to name
    `0402 0900 0000 0000 0001 0000`,
  ];

  test('slots without tags', () => {
    const expected = hexOf(
      '0400 0003 00 000038',
      '02 00 0010 00 000030',
      ...slots.flatMap((slot) => [slot, '00000000']),
    );
    expect(dataOf('b8 02 0000 ffff 00 010000 00 00').toString('hex')).toBe(expected);
  });

  test('slots with tags: blanks where there is no label to read', () => {
    const tags = ['', 'A00002L8', ''];
    const expected = hexOf(
      '0400 0003 00 0000a4',
      '02 80 0034 00 00009c',
      ...slots.flatMap((slot, i) => [slot, tag(tags[i] as string), '00000000']),
    );
    expect(dataOf('b8 12 0000 ffff 00 010000 00 00').toString('hex')).toBe(expected);
  });

  test('drives with tags and names', () => {
    const expected = hexOf(
      '0100 0002 00 0000aa',
      '04 80 0051 00 0000a2',
      '0100 0100 0000 0000 0081 0400', // no access while it is loaded; from slot 1024
      tag('A00001L8'),
      driveId('LIBD0'),
      '0101 0800 0000 0000 0000 0000',
      tag(''),
      driveId('LIBD1'),
    );
    expect(dataOf('b8 14 0000 ffff 01 010000 00 00').toString('hex')).toBe(expected);
  });

  test('an import/export element that somebody filled from outside', () => {
    const expected = hexOf(
      '0300 0001 00 000018',
      '03 00 0010 00 000010',
      '0300 3b00 0000 0000 0001 0000 00000000',
    );
    expect(dataOf('b8 03 0000 ffff 00 010000 00 00').toString('hex')).toBe(expected);
  });

  test('all types come a page each; the report is counted whole although it is cut', () => {
    const whole = dataOf('b8 10 0000 ffff 00 010000 00 00');
    expect([whole.readUInt16BE(0), whole.readUInt16BE(2)]).toEqual([0, 7]);
    expect(whole.readUIntBE(5, 3)).toBe(whole.length - 8);
    const pages: [number, number][] = [];
    for (let at = 8; at < whole.length; at += 8 + whole.readUIntBE(at + 5, 3)) {
      pages.push([whole[at] as number, whole.readUIntBE(at + 5, 3) / whole.readUInt16BE(at + 2)]);
    }
    expect(pages).toEqual([
      [1, 1],
      [4, 2],
      [3, 1],
      [2, 3],
    ]);
    expect(dataOf('b8 10 0000 ffff 00 000014 00 00')).toEqual(whole.subarray(0, 20));
  });

  test('begins at an address and takes as many as asked for', () => {
    const data = dataOf('b8 00 0101 0002 00 010000 00 00');
    expect([data.readUInt16BE(0), data.readUInt16BE(2)]).toEqual([0x101, 2]);
    expect(dataOf('b8 00 ff00 0002 00 010000 00 00').toString('hex')).toBe('0000000000000000');
  });
});

describe('moves and looks', () => {
  test.each([
    ['a5 00 0000 0401 0101 0000 00 00', { do: 'move', from: 1025, to: 257 }],
    ['07 00 00 00 00 00', { do: 'rescan' }],
    ['37 01 0400 0000 0003 00 00', { do: 'rescan' }],
    ['e7 01 0400 0000 0003 00 00', { do: 'rescan' }],
  ])('%s', (command, step) => expect(ask(command)).toEqual(step));
});

describe('refusals', () => {
  test.each([
    ['EXCHANGE MEDIUM', 'a6 00 0000 0400 0401 0402 00 00', '05 20 00'],
    ['READ(6)', '08 00 00 00 00 00', '05 20 00'],
    ['INQUIRY: page without EVPD', '12 00 80 00 ff 00', '05 24 00 @2'],
    ['INQUIRY: no such page', '12 01 b0 00 ff 00', '05 24 00 @2'],
    ['REQUEST SENSE: descriptors', '03 01 00 00 ff 00', '05 24 00 @1'],
    ['MODE SENSE: no such page', '1a 08 0f 00 ff 00', '05 24 00 @2'],
    ['MODE SENSE: subpage', '1a 08 1d 01 ff 00', '05 24 00 @3'],
    ['MODE SENSE: saved values', '1a 08 dd 00 ff 00', '05 39 00'],
    ['LOG SENSE: no such page', '4d 00 42 00 00 00 00 00 ff 00', '05 24 00 @2'],
    ['LOG SENSE: save', '4d 01 40 00 00 00 00 00 ff 00', '05 24 00 @1'],
    ['LOG SENSE: pointer behind the end', '4d 00 6e 00 00 00 41 00 ff 00', '05 24 00 @5'],
    ['PREVENT: persistent', '1e 00 00 00 02 00', '05 24 00 @4'],
    ['READ ELEMENT STATUS: no such type', 'b8 05 0000 ffff 00 010000 00 00', '05 24 00 @1'],
    ['MOVE MEDIUM: turned over', 'a5 00 0000 0401 0101 0000 01 00', '05 24 00 @10'],
    ['MOVE MEDIUM: no such robot', 'a5 00 0400 0401 0101 0000 00 00', '05 21 01'],
    ['MOVE MEDIUM: no such source', 'a5 00 0000 0999 0101 0000 00 00', '05 21 01'],
    ['MOVE MEDIUM: no such destination', 'a5 00 0000 0401 0999 0000 00 00', '05 21 01'],
    ['MOVE MEDIUM: into the robot', 'a5 00 0000 0401 0000 0000 00 00', '05 21 01'],
  ])('%s', (_name, command, expected) => expect(senseOf(command)).toBe(expected));

  test.each([
    ['invalidParameter', [5, 0x21, 1]],
    ['slotEmpty', [5, 0x3b, 0x0e]],
    ['notMountable', [5, 0x3b, 0x0d]],
    ['mediaInUse', [5, 0x53, 2]],
    ['staleGrant', [5, 0x53, 2]],
    ['robotMissing', [4, 0x44, 0]],
  ])('the library says %s', (code, expected) => {
    const { status, sense } = libraryRefusal(code);
    expect([status, [sense[2], sense[12], sense[13]]]).toEqual([2, expected]);
  });

  test('the length of a CDB follows from its opcode', () => {
    expect([0x12, 0x37, 0x5a, 0x92, 0xb8, 0x7f, 0xe7].map(cdbBytes)).toEqual([
      6,
      10,
      10,
      16,
      12,
      undefined,
      undefined,
    ]);
  });
});
