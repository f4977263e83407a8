// Commands of media changers (SMC): CDBs, and what comes back.

import { text } from './spc.ts';

export const ELEMENT_TYPE = { transport: 1, storage: 2, importExport: 3, drive: 4 } as const;
export const ELEMENT_ADDRESS_PAGE = 0x1d;

export interface AddressRange {
  readonly first: number;
  readonly count: number;
}

export interface ElementAddresses {
  readonly transport: AddressRange;
  readonly storage: AddressRange;
  readonly importExport: AddressRange;
  readonly drive: AddressRange;
}

/** Mode page 1Dh; null when it is another page or too short. */
export function parseElementAddresses(page: Buffer): ElementAddresses | null {
  if (page.length < 18 || ((page[0] ?? 0) & 0x3f) !== ELEMENT_ADDRESS_PAGE) return null;
  const range = (at: number): AddressRange => ({
    first: page.readUInt16BE(at),
    count: page.readUInt16BE(at + 2),
  });
  return { transport: range(2), storage: range(6), importExport: range(10), drive: range(14) };
}

export interface StatusQuery {
  readonly type: number;
  readonly range: AddressRange;
  /** Ask for serial numbers of drives. */
  readonly identifiers: boolean;
  readonly allocationBytes: number;
}

export function readElementStatus({
  type,
  range,
  identifiers,
  allocationBytes,
}: StatusQuery): Buffer {
  const volumeTags = 0x10;
  const cdb = Buffer.of(0xb8, volumeTags | type, 0, 0, 0, 0, identifiers ? 1 : 0, 0, 0, 0, 0, 0);
  cdb.writeUInt16BE(range.first, 2);
  cdb.writeUInt16BE(range.count, 4);
  cdb.writeUIntBE(allocationBytes, 7, 3);
  return cdb;
}

export interface ElementStatus {
  readonly type: number;
  readonly address: number;
  readonly full: boolean;
  /** Empty without a tag that can be read. */
  readonly volumeTag: string;
  readonly sourceAddress: number | null;
  /** Empty where the device does not tell. */
  readonly serial: string;
  /** 0 where it does not tell; 1 data, 2 cleaning, 4 write once. */
  readonly mediumType: number;
}

const PRIMARY_TAG = 0x80;
const ALTERNATE_TAG = 0x40;
const TAG_BYTES = 36;

/**
 * Every whole descriptor of the reply. Lengths come from the page headers, and nothing is believed beyond what arrived:
 * real changers order the pages as they like, append what they like, and emulations cut the end.
 */
export function parseElementStatus(data: Buffer): ElementStatus[] {
  const elements: ElementStatus[] = [];
  let at = 8;
  while (at + 8 <= data.length) {
    const descriptorBytes = data.readUInt16BE(at + 2);
    const pageEnd = Math.min(data.length, at + 8 + data.readUIntBE(at + 5, 3));
    if (descriptorBytes < 12) break;
    const page = { type: (data[at] ?? 0) & 0x0f, flags: data[at + 1] ?? 0 };
    // The last one may be cut, but not within what must be there.
    for (let from = at + 8; from + 12 <= pageEnd; from += descriptorBytes) {
      const descriptor = data.subarray(from, Math.min(pageEnd, from + descriptorBytes));
      elements.push(parseDescriptor(page, descriptor));
    }
    if (pageEnd <= at + 8) break;
    at = pageEnd;
  }
  return elements;
}

function parseDescriptor(
  { type, flags }: { type: number; flags: number },
  descriptor: Buffer,
): ElementStatus {
  const state = descriptor[2] ?? 0;
  const hasTag = (flags & PRIMARY_TAG) !== 0;
  const tagsBytes = (hasTag ? TAG_BYTES : 0) + (flags & ALTERNATE_TAG ? TAG_BYTES : 0);
  const full = (state & 1) !== 0;
  return {
    type,
    address: descriptor.readUInt16BE(0),
    full,
    volumeTag: full && hasTag ? text(descriptor.subarray(12, 12 + 32)) : '',
    sourceAddress: ((descriptor[9] ?? 0) & 0x80) !== 0 ? descriptor.readUInt16BE(10) : null,
    serial: parseSerial(descriptor.subarray(12 + tagsBytes)),
    mediumType: full ? (descriptor[9] ?? 0) & 0x07 : 0,
  };
}

/** An identifier of a drive: its serial number alone, or behind vendor and product (SPC, T10 vendor identification). */
function parseSerial(identifier: Buffer): string {
  const bytes = identifier[3] ?? 0;
  const isText = ((identifier[0] ?? 0) & 0x0f) === 2;
  if (!isText || bytes === 0 || identifier.length < 4 + bytes) return '';
  const value = identifier.subarray(4, 4 + bytes);
  return bytes > 24 ? text(value.subarray(24)) : text(value);
}

export const initializeElementStatus = (): Buffer => Buffer.of(0x07, 0, 0, 0, 0, 0);

export function moveMedium(move: { transport: number; from: number; to: number }): Buffer {
  const cdb = Buffer.alloc(12);
  cdb[0] = 0xa5;
  cdb.writeUInt16BE(move.transport, 2);
  cdb.writeUInt16BE(move.from, 4);
  cdb.writeUInt16BE(move.to, 6);
  return cdb;
}
