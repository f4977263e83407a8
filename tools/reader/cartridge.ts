// Reads a virtual cartridge (format VTC1) from its folder: the tape as a list of blocks and filemarks. Written from
// docs/protocol/media-format.md alone; shares no code with what writes the tapes, and changes nothing.

import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface TapeObject {
  readonly mark: boolean;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
}

interface Segment {
  readonly number: number;
  readonly path: string;
  readonly generation: number;
  readonly firstObject: number;
  readonly firstFile: number;
  readonly previous: number;
  readonly previousBytes: number;
}

const HEADER = 64;
const NONE = 0xffffffff;

/** Thrown for everything that is wrong with a tape. */
export class TapeError extends Error {
  override readonly name = 'TapeError';
}

/** The objects of the tape in order; the list ends at the first that is not intact. */
export function readCartridge(folder: string): TapeObject[] {
  const info = JSON.parse(readFileSync(join(folder, 'cartridge.json'), 'utf8'));
  if (info.format !== 'VTC1') throw new TapeError(`${folder} is no VTC1 cartridge`);
  const uuid = Buffer.from(info.uuid.replaceAll('-', ''), 'hex');
  const chain = findChain(folder, uuid);
  const objects: TapeObject[] = [];
  let file = 0;
  for (const [i, segment] of chain.entries()) {
    const next = chain[i + 1];
    if (segment.firstObject !== objects.length || segment.firstFile !== file) {
      throw new TapeError(`segment ${segment.number} does not continue the one before`);
    }
    const limit = next ? next.previousBytes : statSync(segment.path).size;
    const endObject = next ? next.firstObject : Number.POSITIVE_INFINITY;
    file += walkSegment({ segment, uuid, limit, endObject, objects, firstFile: file });
  }
  return objects;
}

/** The newest segment and those that it continues, oldest first. */
function findChain(folder: string, uuid: Buffer): Segment[] {
  const all = new Map<number, Segment>();
  let withRecords = -1;
  for (const name of readdirSync(folder)) {
    if (!/^seg-\d{8}\.dat$/.test(name)) continue;
    const segment = readSegmentStart(join(folder, name), uuid);
    if (segment) all.set(segment.number, segment);
    const hasRecords = statSync(join(folder, name)).size > 2 * HEADER;
    if (hasRecords) withRecords = Math.max(withRecords, Number(name.slice(4, 12)));
  }
  const chain: Segment[] = [];
  let number = all.size > 0 ? Math.max(...all.keys()) : NONE;
  if (withRecords >= 0 && (number === NONE || withRecords > number)) {
    throw new TapeError(`segment ${withRecords}, the newest of the tape, is damaged`);
  }
  while (number !== NONE) {
    const segment = all.get(number);
    if (!segment) throw new TapeError(`segment ${number} of the tape is missing`);
    chain.unshift(segment);
    number = segment.previous;
  }
  return chain;
}

function readSegmentStart(path: string, uuid: Buffer): Segment | null {
  const bytes = readBytes(path, 0, 2 * HEADER);
  if (bytes.length < 2 * HEADER || !isHeader(bytes, uuid) || bytes[4] !== 4) return null;
  const start = bytes.subarray(HEADER);
  if (crc32(start) !== bytes.readUInt32LE(32) || !start.subarray(0, 16).equals(uuid)) return null;
  return {
    number: start.readUInt32LE(16),
    path,
    generation: start.readUInt32LE(20),
    firstObject: Number(start.readBigUInt64LE(24)),
    firstFile: Number(start.readBigUInt64LE(32)),
    previous: start.readUInt32LE(40),
    previousBytes: Number(start.readBigUInt64LE(48)),
  };
}

interface Walk {
  readonly segment: Segment;
  readonly uuid: Buffer;
  readonly limit: number;
  readonly endObject: number;
  readonly objects: TapeObject[];
  readonly firstFile: number;
}

/** Adds the records of one segment; answers how many filemarks they hold. */
function walkSegment({ segment, uuid, limit, endObject, objects, firstFile }: Walk): number {
  let marks = 0;
  let offset = 2 * HEADER;
  while (objects.length < endObject && offset + HEADER <= limit) {
    const header = readBytes(segment.path, offset, HEADER);
    const bytes = header.length === HEADER ? header.readUInt32LE(24) : 0;
    const stored = HEADER + Math.ceil(bytes / 64) * 64;
    const fits =
      isHeader(header, uuid) &&
      (header[4] === 1 || header[4] === 2) &&
      header.readUInt32LE(36) === segment.generation &&
      Number(header.readBigUInt64LE(8)) === objects.length &&
      Number(header.readBigUInt64LE(16)) === firstFile + marks &&
      offset + stored <= limit;
    if (!fits) break;
    const mark = header[4] === 2;
    const crc = header.readUInt32LE(32);
    objects.push({ mark, path: segment.path, offset: offset + HEADER, bytes, crc });
    if (mark) marks += 1;
    offset += stored;
  }
  return marks;
}

function isHeader(bytes: Buffer, uuid: Buffer): boolean {
  return (
    bytes.length >= HEADER &&
    bytes.toString('latin1', 0, 4) === 'VTR1' &&
    crc32(bytes.subarray(0, 60)) === bytes.readUInt32LE(60) &&
    bytes.subarray(48, 56).equals(uuid.subarray(0, 8))
  );
}

/** The bytes of one block, checked against the sum in its record. */
export function readBlock(object: TapeObject): Buffer {
  const block = readBytes(object.path, object.offset, object.bytes);
  if (block.length === object.bytes && crc32(block) === object.crc) return block;
  throw new TapeError(`the block at ${object.path} offset ${object.offset} is damaged`);
}

function readBytes(path: string, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
  } finally {
    closeSync(fd);
  }
}
