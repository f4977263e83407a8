// The 64-byte header before every record of a VTC1 cartridge, and the segment-start record: pure encoding.
// Layout and rules: docs/protocol/media-format.md, "Cartridges on files".

import { crc32 } from 'node:zlib';

export const HEADER_BYTES = 64;
export const ALIGN_BYTES = 64;
export const RECORD_MAGIC = 0x31525456; // "VTR1", little-endian

export const RECORD_TYPE = { data: 1, filemark: 2, segmentStart: 4 } as const;

/** First segment of a chain has no predecessor. */
export const NO_SEGMENT = 0xffff_ffff;

export interface RecordHeader {
  readonly type: number;
  readonly object: number;
  /** Filemarks before this object. */
  readonly file: number;
  readonly payloadBytes: number;
  readonly payloadCrc: number;
  /** Raised each time that a session begins to write: see SegmentStart. */
  readonly generation: number;
  readonly previousOffset: number;
  /** First eight bytes of the cartridge's UUID. */
  readonly cartridgeTag: Uint8Array;
  /** Checksum of the header before this one in the segment; 0 in a segment-start record. */
  readonly previousCrc: number;
}

/** Payload of a segment's first record: how this file continues the cartridge. */
export interface SegmentStart {
  readonly uuid: Uint8Array;
  readonly segment: number;
  readonly generation: number;
  /** The first object that this segment may hold; objects from it on in older segments are void. */
  readonly firstObject: number;
  readonly firstFile: number;
  readonly previousSegment: number;
  /** Bytes of the previous segment that count; what lies behind them is void. */
  readonly previousBytes: number;
  readonly ownerEpoch: bigint;
}

export function storedBytes(payloadBytes: number): number {
  return HEADER_BYTES + Math.ceil(payloadBytes / ALIGN_BYTES) * ALIGN_BYTES;
}

/** Bytes of the segment-start record. */
export const SEGMENT_START_BYTES = 2 * HEADER_BYTES;

/** Writes the header at `at` and returns its checksum. */
export function encodeHeader(into: Buffer, at: number, header: RecordHeader): number {
  into.writeUInt32LE(RECORD_MAGIC, at);
  into[at + 4] = header.type;
  into[at + 5] = 0;
  into.writeUInt16LE(HEADER_BYTES, at + 6);
  writeSafeInteger(into, header.object, at + 8);
  writeSafeInteger(into, header.file, at + 16);
  into.writeUInt32LE(header.payloadBytes, at + 24);
  into.writeUInt32LE(header.payloadBytes, at + 28);
  into.writeUInt32LE(header.payloadCrc, at + 32);
  into.writeUInt32LE(header.generation, at + 36);
  writeSafeInteger(into, header.previousOffset, at + 40);
  into.set(header.cartridgeTag, at + 48);
  into.writeUInt32LE(header.previousCrc, at + 56);
  const crc = crc32(into.subarray(at, at + 60));
  into.writeUInt32LE(crc, at + 60);
  return crc;
}

/** Null when the bytes are no intact header. `crc` is the header's own checksum. */
export function decodeHeader(from: Buffer, at = 0): (RecordHeader & { crc: number }) | null {
  if (from.length < at + HEADER_BYTES || from.readUInt32LE(at) !== RECORD_MAGIC) return null;
  const crc = from.readUInt32LE(at + 60);
  if (crc32(from.subarray(at, at + 60)) !== crc) return null;
  return {
    type: from[at + 4] as number,
    object: readSafeInteger(from, at + 8),
    file: readSafeInteger(from, at + 16),
    payloadBytes: from.readUInt32LE(at + 24),
    payloadCrc: from.readUInt32LE(at + 32),
    generation: from.readUInt32LE(at + 36),
    previousOffset: readSafeInteger(from, at + 40),
    cartridgeTag: from.subarray(at + 48, at + 56),
    previousCrc: from.readUInt32LE(at + 56),
    crc,
  };
}

export function encodeSegmentStart(start: SegmentStart): { bytes: Buffer; crc: number } {
  const bytes = Buffer.alloc(SEGMENT_START_BYTES);
  const payload = bytes.subarray(HEADER_BYTES);
  payload.set(start.uuid, 0);
  payload.writeUInt32LE(start.segment, 16);
  payload.writeUInt32LE(start.generation, 20);
  writeSafeInteger(payload, start.firstObject, 24);
  writeSafeInteger(payload, start.firstFile, 32);
  payload.writeUInt32LE(start.previousSegment, 40);
  writeSafeInteger(payload, start.previousBytes, 48);
  payload.writeBigUInt64LE(start.ownerEpoch, 56);
  const crc = encodeHeader(bytes, 0, {
    type: RECORD_TYPE.segmentStart,
    object: start.firstObject,
    file: start.firstFile,
    payloadBytes: HEADER_BYTES,
    payloadCrc: crc32(payload),
    generation: start.generation,
    previousOffset: 0,
    cartridgeTag: start.uuid.subarray(0, 8),
    previousCrc: 0,
  });
  return { bytes, crc };
}

/** Null when the segment does not begin with an intact segment-start record. */
export function decodeSegmentStart(bytes: Buffer): SegmentStart | null {
  const header = decodeHeader(bytes);
  if (header?.type !== RECORD_TYPE.segmentStart || bytes.length < SEGMENT_START_BYTES) return null;
  const payload = bytes.subarray(HEADER_BYTES, SEGMENT_START_BYTES);
  if (crc32(payload) !== header.payloadCrc) return null;
  return {
    uuid: Uint8Array.from(payload.subarray(0, 16)),
    segment: payload.readUInt32LE(16),
    generation: payload.readUInt32LE(20),
    firstObject: readSafeInteger(payload, 24),
    firstFile: readSafeInteger(payload, 32),
    previousSegment: payload.readUInt32LE(40),
    previousBytes: readSafeInteger(payload, 48),
    ownerEpoch: payload.readBigUInt64LE(56),
  };
}

// Two 32-bit halves: several times faster than the BigInt accessors, and this runs for every block.
function writeSafeInteger(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value % 0x1_0000_0000, at);
  into.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function readSafeInteger(from: Buffer, at: number): number {
  return from.readUInt32LE(at) + from.readUInt32LE(at + 4) * 0x1_0000_0000;
}
