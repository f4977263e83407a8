// One history record in bytes, and the frames that records lie in. All numbers are little-endian.
// A spool is: 8 bytes of magic, then frames; a frame is a 20-byte header and its payload of whole records.

import { crc32 } from 'node:zlib';
import { FILE_TYPES, type HistoryDir, type HistoryStat, UNKNOWN_32, UNKNOWN_64 } from './entry.ts';

export const SPOOL_MAGIC = Buffer.from('TPHIST01', 'latin1');

export const FRAME_HEADER_SIZE_BYTES = 20;
export const FRAME_PAYLOAD_MAX_BYTES = 1024 * 1024;
/** Longer names are no file names but an attack or a broken peer; Linux stops at 4096. */
export const NAME_MAX_BYTES = 256 * 1024;
const FRAME_MAGIC = 0x46485054;

export const FRAME_KIND = { records: 1, end: 2 } as const;
export const RECORD_KIND = { file: 1, dir: 2, node: 3 } as const;

/** kind u8, type u8, u16 zero, name length u32. */
export const RECORD_HEAD_SIZE_BYTES = 8;
/** Offsets within a record of kind file or node; the name of a file follows at `statEnd`. */
export const STAT_AT = {
  size: 8,
  node: 16,
  fhInfo: 24,
  mtime: 32,
  atime: 36,
  ctime: 40,
  mode: 44,
  uid: 48,
  gid: 52,
  links: 56,
} as const;
export const STAT_END = 60;
/** Offsets within a record of kind dir. */
export const DIR_AT = { parent: 8, node: 16 } as const;
export const DIR_END = 24;

const TYPE_CODES = new Map<string, number>(FILE_TYPES.map((type, code) => [type, code]));
const NO_NAME = new Uint8Array(0);

/** A buffer with its view, so that numbers are written without a bounds-checked Buffer call each. */
export interface Block {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function makeBlock(sizeBytes: number): Block {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** Writes a file record (with a name) or a node record (without) at `at`; returns where it ends. */
export function putStat(block: Block, at: number, stat: HistoryStat, path?: Uint8Array): number {
  const { view } = block;
  const name = path ?? NO_NAME;
  view.setUint8(at, path ? RECORD_KIND.file : RECORD_KIND.node);
  view.setUint8(at + 1, TYPE_CODES.get(stat.type) ?? FILE_TYPES.length - 1);
  view.setUint16(at + 2, 0, true);
  view.setUint32(at + 4, name.length, true);
  view.setBigUint64(at + STAT_AT.size, stat.sizeBytes, true);
  view.setBigUint64(at + STAT_AT.node, stat.node, true);
  view.setBigUint64(at + STAT_AT.fhInfo, stat.fhInfo ?? UNKNOWN_64, true);
  view.setUint32(at + STAT_AT.mtime, stat.mtimeS ?? UNKNOWN_32, true);
  view.setUint32(at + STAT_AT.atime, stat.atimeS ?? UNKNOWN_32, true);
  view.setUint32(at + STAT_AT.ctime, stat.ctimeS ?? UNKNOWN_32, true);
  view.setUint32(at + STAT_AT.mode, stat.mode ?? UNKNOWN_32, true);
  view.setUint32(at + STAT_AT.uid, stat.uid ?? UNKNOWN_32, true);
  view.setUint32(at + STAT_AT.gid, stat.gid ?? UNKNOWN_32, true);
  view.setUint32(at + STAT_AT.links, stat.links ?? UNKNOWN_32, true);
  block.bytes.set(name, at + STAT_END);
  return at + STAT_END + name.length;
}

export function putDir(block: Block, at: number, dir: HistoryDir): number {
  const { view } = block;
  view.setUint8(at, RECORD_KIND.dir);
  view.setUint8(at + 1, 0);
  view.setUint16(at + 2, 0, true);
  view.setUint32(at + 4, dir.name.length, true);
  view.setBigUint64(at + DIR_AT.parent, dir.parent, true);
  view.setBigUint64(at + DIR_AT.node, dir.node, true);
  block.bytes.set(dir.name, at + DIR_END);
  return at + DIR_END + dir.name.length;
}

/** Fills in the header of a frame whose payload lies behind it in the same buffer. */
export function sealFrame(
  block: Block,
  frame: { kind: number; endAt: number; records: number },
): void {
  const { bytes, view } = block;
  view.setUint32(0, FRAME_MAGIC, true);
  view.setUint32(4, frame.kind, true);
  view.setUint32(8, frame.endAt - FRAME_HEADER_SIZE_BYTES, true);
  view.setUint32(12, frame.records, true);
  view.setUint32(16, frameSum(bytes.subarray(0, frame.endAt)), true);
}

export interface FrameHeader {
  readonly kind: number;
  readonly payloadSizeBytes: number;
  readonly records: number;
  readonly sum: number;
}

/** Undefined when these bytes cannot be the header of a frame. */
export function readFrameHeader(bytes: Buffer): FrameHeader | undefined {
  if (bytes.length < FRAME_HEADER_SIZE_BYTES || bytes.readUInt32LE(0) !== FRAME_MAGIC) return;
  const payloadSizeBytes = bytes.readUInt32LE(8);
  if (payloadSizeBytes > FRAME_PAYLOAD_MAX_BYTES) return;
  return {
    kind: bytes.readUInt32LE(4),
    payloadSizeBytes,
    records: bytes.readUInt32LE(12),
    sum: bytes.readUInt32LE(16),
  };
}

/** CRC-32 of the whole frame without the field that holds it. */
export function frameSum(frame: Buffer): number {
  return crc32(frame.subarray(FRAME_HEADER_SIZE_BYTES), crc32(frame.subarray(0, 16)));
}
