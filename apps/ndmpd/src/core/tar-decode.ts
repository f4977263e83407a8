// Reads the headers that tar-encode.ts writes, and those of GNU tar: pax, long-name members, base-256
// numbers. Whatever does not hold together throws ImageError; nothing is guessed.

import { ACL_XATTRS, aclAttribute } from './posix-acl.ts';
import {
  BLOCK_BYTES,
  DUMP_DIRECTORY_KEY,
  type Extent,
  LINK_OFFSET_NOTE,
  type Member,
  type MemberType,
  XATTR_KEY,
} from './tar-encode.ts';

/** The stream is not the image that it should be. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** A ustar header as it stands; pax and long-name members are told by `flag`. */
export interface RawHeader {
  readonly name: Buffer;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly linkTarget: Buffer;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/** What extended headers say about the member that follows. */
export interface Extended {
  readonly pax: Map<string, Buffer>;
  longName?: Buffer;
  longTarget?: Buffer;
}

/** A member whose headers are complete. `storedBytes` of data follow, a sparse map included. */
export interface DecodedMember extends Member {
  readonly storedBytes: number;
  readonly isSparse: boolean;
  /** When it was last read, where the image says so. */
  readonly atimeNs?: bigint;
}

const NS_PER_S = 1_000_000_000n;
/** Shorter values must not keep the header's buffer; longer ones are most of it. */
const COPIED_BYTES_MAX = 1024 * 1024;

/** The header in a block, or undefined for a block of zeros. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  let sum = 0;
  for (let i = 0; i < BLOCK_BYTES; i += 1) sum += i >= 148 && i < 156 ? 0x20 : (block[i] as number);
  if (sum === 8 * 0x20 && block.readUInt32BE(148) === 0) return undefined;
  if (number(block, 148, 8) !== sum)
    throw new ImageError('a member header is damaged: wrong checksum');
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : null;
  const name = text(block, 0, 100);
  const whole = prefix?.length ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
  return {
    name: Buffer.from(whole),
    flag: String.fromCharCode(block[156] || 0x30),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    linkTarget: Buffer.from(text(block, 157, 100)),
    deviceMajor: number(block, 329, 8),
    deviceMinor: number(block, 337, 8),
  };
}

function text(block: Buffer, at: number, length: number): Buffer {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

function number(block: Buffer, at: number, length: number): number {
  if ((block[at] as number) & 0x80) return base256(block, at, length);
  let i = at;
  const end = at + length;
  while (i < end && block[i] === 0x20) i += 1;
  let value = 0;
  for (; i < end && block[i] !== 0 && block[i] !== 0x20; i += 1) {
    const digit = (block[i] as number) - 0x30;
    if (digit < 0 || digit > 7) throw new ImageError('a member header is damaged');
    value = value * 8 + digit;
  }
  return value;
}

function base256(block: Buffer, at: number, length: number): number {
  let value = (block[at] as number) & 0x7f;
  for (let i = 1; i < length; i += 1) value = value * 256 + (block[at + i] as number);
  if (!Number.isSafeInteger(value)) throw new ImageError('a member header has a huge number');
  return value;
}

/** Records of a pax header body, keys as latin1 so that none is lost. */
export function decodePax(body: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const blank = body.indexOf(0x20, at);
    const length = Number(blank === -1 ? Number.NaN : body.toString('latin1', at, blank));
    const end = at + length;
    const equals = blank === -1 ? -1 : body.indexOf(0x3d, blank);
    const sound = Number.isSafeInteger(length) && end <= body.length && equals > 0 && equals < end;
    if (!sound || body[end - 1] !== 0x0a) throw new ImageError('an extended header is damaged');
    const key = body.toString('latin1', blank + 1, equals);
    const value = body.subarray(equals + 1, end - 1);
    records.set(key, value.length < COPIED_BYTES_MAX ? Buffer.from(value) : value);
    at = end;
  }
  return records;
}

const TYPE_OF_FLAG: Readonly<Record<string, MemberType>> = {
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** A header and what was said before it, as one member. */
export function decodeMember(
  header: RawHeader,
  { pax, longName, longTarget }: Extended,
): DecodedMember {
  const type = TYPE_OF_FLAG[header.flag];
  if (type === undefined) throw new ImageError(`member type "${header.flag}" is not known here`);
  const isSparse = pax.get('GNU.sparse.major')?.toString() === '1';
  const name = pax.get('GNU.sparse.name') ?? pax.get('path') ?? longName ?? header.name;
  const storedBytes = paxNumber(pax, 'size') ?? header.size;
  const target = pax.get('linkpath') ?? longTarget ?? header.linkTarget;
  const linkOffset = linkOffsetOf(pax);
  const atimeNs = paxTime(pax, 'atime');
  const dumpDirectory = type === 'directory' ? pax.get(DUMP_DIRECTORY_KEY) : undefined;
  return {
    type,
    path: trimName(name),
    mode: header.mode & 0o7777,
    uid: paxNumber(pax, 'uid') ?? header.uid,
    gid: paxNumber(pax, 'gid') ?? header.gid,
    size: (isSparse ? paxNumber(pax, 'GNU.sparse.realsize') : undefined) ?? storedBytes,
    mtimeNs: paxTime(pax, 'mtime') ?? BigInt(header.mtime) * NS_PER_S,
    storedBytes: type === 'file' ? storedBytes : 0,
    isSparse,
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    xattrs: xattrsOf(pax),
    ...(type === 'symlink' ? { linkTarget: target } : {}),
    ...(type === 'hardlink' ? { linkTarget: trimName(target) } : {}),
    ...(atimeNs === undefined ? {} : { atimeNs }),
    ...(linkOffset === undefined ? {} : { linkOffset }),
    ...(dumpDirectory === undefined ? {} : { dumpDirectory }),
  };
}

/** Without "./" in front and "/" behind; the root becomes empty. */
function trimName(name: Buffer): Buffer {
  let start = 0;
  let end = name.length;
  while (name[start] === 0x2e && name[start + 1] === 0x2f) start += 2;
  while (end > start && name[end - 1] === 0x2f) end -= 1;
  const trimmed = name.subarray(start, end);
  return trimmed.equals(Buffer.from('.')) ? Buffer.alloc(0) : trimmed;
}

function paxNumber(pax: Map<string, Buffer>, key: string): number | undefined {
  const value = pax.get(key);
  if (value === undefined) return undefined;
  const parsed = Number(value.toString('latin1'));
  if (!Number.isSafeInteger(parsed) || parsed < 0) throw new ImageError(`bad ${key} in a header`);
  return parsed;
}

function paxTime(pax: Map<string, Buffer>, key: 'mtime' | 'atime'): bigint | undefined {
  const value = pax.get(key)?.toString('latin1');
  if (value === undefined) return undefined;
  const match = /^(-?)(\d{1,12})(?:\.(\d{0,9})\d*)?$/.exec(value);
  if (match === null) throw new ImageError(`bad ${key} in a header`);
  const [, sign, seconds, fraction] = match;
  const ns = BigInt(seconds ?? '0') * NS_PER_S + BigInt((fraction ?? '').padEnd(9, '0'));
  return sign === '-' ? -ns : ns;
}

function linkOffsetOf(pax: Map<string, Buffer>): number | undefined {
  const note = pax.get('comment')?.toString('latin1') ?? '';
  if (!note.startsWith(LINK_OFFSET_NOTE)) return undefined;
  const offset = Number(note.slice(LINK_OFFSET_NOTE.length));
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
}

function xattrsOf(pax: Map<string, Buffer>): { name: Buffer; value: Buffer }[] {
  const xattrs: { name: Buffer; value: Buffer }[] = [];
  for (const [key, value] of pax) {
    if (!key.startsWith(XATTR_KEY)) continue;
    const name = key.slice(XATTR_KEY.length).replaceAll('%3D', '=').replaceAll('%25', '%');
    xattrs.push({ name: Buffer.from(name, 'latin1'), value });
  }
  for (const { xattr, key } of ACL_XATTRS) {
    const text = pax.has(XATTR_KEY + xattr) ? undefined : pax.get(key);
    const value = text && aclAttribute(text.toString('latin1'));
    if (value !== undefined) xattrs.push({ name: Buffer.from(xattr), value });
  }
  return xattrs;
}

/** Reads the map in front of a sparse file's data, block by block. */
export class SparseMapReader {
  readonly #numbers: number[] = [];
  #digits = '';

  /** Takes the next block of the map; true when it was the last. */
  push(block: Buffer): boolean {
    let at = 0;
    while (at < block.length && !this.#isComplete()) {
      const end = block.indexOf(0x0a, at);
      this.#digits += block.toString('latin1', at, end === -1 ? block.length : end);
      if (this.#digits.length > 20) throw new ImageError('a sparse map is damaged');
      if (end === -1) return false;
      this.#takeNumber();
      at = end + 1;
    }
    return this.#isComplete();
  }

  /** The runs of data; checked against the size that the header gave. */
  extents(realSize: number): Extent[] {
    const extents: Extent[] = [];
    let end = 0;
    for (let i = 1; i < this.#numbers.length; i += 2) {
      const offset = this.#numbers[i] as number;
      const length = this.#numbers[i + 1] as number;
      if (offset < end || offset + length > realSize) throw new ImageError('a sparse map overlaps');
      end = offset + length;
      extents.push({ offset, length });
    }
    return extents;
  }

  #takeNumber(): void {
    const value = /^\d+$/.test(this.#digits) ? Number(this.#digits) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw new ImageError('a sparse map is damaged');
    this.#numbers.push(value);
    this.#digits = '';
  }

  #isComplete(): boolean {
    const count = this.#numbers[0];
    return count !== undefined && this.#numbers.length === 1 + 2 * count;
  }
}
