// The headers of an ordinary file, read where they lie: most members of an image have a short name, a size, an owner
// and a time, and nothing else. Whatever is not just that, damage included, is left to tar-decode.ts.

import { BLOCK_BYTES, paddingOf } from './tar-encode.ts';

/** Larger files are passed on piece by piece. */
export const PLAIN_DATA_BYTES_MAX: number = 64 * 1024;

/** Positions are those of the buffer that was looked at. */
export interface PlainFile {
  readonly nameAt: number;
  readonly nameEnd: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** When it was last read, where the image says so. */
  readonly accessed: Time | undefined;
  readonly dataAt: number;
  readonly size: number;
  /** Where the next member begins. */
  readonly end: number;
}

const EXTENDED = 0x78;
const FILE = 0x30;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const NAME_BYTES = 100;
const MTIME = Buffer.from(' mtime=');
const ATIME = Buffer.from(' atime=');
/** Nobody can set it: GNU tar writes it all the same. */
const CTIME = Buffer.from(' ctime=');
const USTAR = Buffer.from('ustar\0');

/**
 * The file between `at` and `end`; a number when it looks like one so far: so many bytes from `at` on tell more.
 * Undefined for anything else.
 */
export function decodePlain(
  bytes: Buffer,
  at: number,
  end: number,
): PlainFile | number | undefined {
  if (end - at < BLOCK_BYTES) return BLOCK_BYTES;
  if (bytes[at + 156] !== EXTENDED) return decodeFile(bytes, at, end, undefined);
  if (end - at < 3 * BLOCK_BYTES) return 3 * BLOCK_BYTES;
  if (!isSealed(bytes, at)) return undefined;
  const size = octal(bytes, at + 124, 12);
  if (size === undefined || size > BLOCK_BYTES) return undefined;
  const times = decodeTimes(bytes, at + BLOCK_BYTES, size);
  const found = times && decodeFile(bytes, at + 2 * BLOCK_BYTES, end, times);
  return typeof found === 'number' ? found + 2 * BLOCK_BYTES : found;
}

export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

interface Times {
  modified: Time | undefined;
  accessed: Time | undefined;
}

function decodeFile(
  bytes: Buffer,
  at: number,
  end: number,
  times: Times | undefined,
): PlainFile | number | undefined {
  const hasPrefix = bytes[at + 345] !== 0;
  if (bytes[at + 156] !== FILE || hasPrefix || !startsWith(bytes, at + 257, USTAR))
    return undefined;
  const size = octal(bytes, at + 124, 12);
  if (size === undefined || size > PLAIN_DATA_BYTES_MAX || !isSealed(bytes, at)) return undefined;
  const dataAt = at + BLOCK_BYTES;
  const next = dataAt + size + paddingOf(size);
  if (next > end) return next - at;
  const mode = octal(bytes, at + 100, 8);
  const uid = octal(bytes, at + 108, 8);
  const gid = octal(bytes, at + 116, 8);
  const time = times?.modified;
  const seconds = time?.seconds ?? octal(bytes, at + 136, 12);
  if (mode === undefined || uid === undefined || gid === undefined || seconds === undefined) {
    return undefined;
  }
  let nameEnd = at;
  while (nameEnd < at + NAME_BYTES && bytes[nameEnd] !== 0) nameEnd += 1;
  const nanoseconds = time?.nanoseconds ?? 0;
  const owner = { mode: mode & 0o7777, uid, gid };
  const accessed = times?.accessed;
  return { nameAt: at, nameEnd, ...owner, seconds, nanoseconds, accessed, dataAt, size, end: next };
}

/** A body of records like "30 mtime=1700000000.123456789\n" and of no others. */
function decodeTimes(bytes: Buffer, at: number, size: number): Times | undefined {
  const times: Times = { modified: undefined, accessed: undefined };
  const end = at + size;
  for (let next = at; next < end; ) {
    const length = decimal(bytes, next, next + 2);
    const isSound = length !== undefined && length >= 14 && next + length <= end;
    const time = isSound ? decodeTime(bytes, next + 2 + MTIME.length, next + length) : undefined;
    if (time === undefined) return undefined;
    if (startsWith(bytes, next + 2, MTIME)) times.modified = time;
    else if (startsWith(bytes, next + 2, ATIME)) times.accessed = time;
    else if (!startsWith(bytes, next + 2, CTIME)) return undefined;
    next += length ?? 0;
  }
  return times;
}

/** Seconds with a fraction of up to nine digits, and a newline. */
function decodeTime(bytes: Buffer, from: number, after: number): Time | undefined {
  const end = after - 1;
  if (bytes[end] !== NEWLINE) return undefined;
  let dot = from;
  while (dot < end && bytes[dot] !== 0x2e) dot += 1;
  const seconds = dot - from > 12 ? undefined : decimal(bytes, from, dot);
  if (seconds === undefined || dot - from === 0) return undefined;
  if (dot === end) return { seconds, nanoseconds: 0 };
  const digits = end - dot - 1;
  const fraction = digits > 9 ? undefined : decimal(bytes, dot + 1, end);
  return fraction === undefined
    ? undefined
    : { seconds, nanoseconds: fraction * 10 ** (9 - digits) };
}

/** Digits only; no digits are 0. */
function decimal(bytes: Buffer, at: number, end: number): number | undefined {
  let value = 0;
  for (let i = at; i < end; i += 1) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** Octal digits up to a zero byte or a blank; anything else is undefined. */
function octal(bytes: Buffer, at: number, length: number): number | undefined {
  let value = 0;
  for (let i = at; i < at + length; i += 1) {
    const byte = bytes[i] as number;
    if (byte === 0 || (byte === 0x20 && i > at)) return value;
    const digit = byte - ZERO;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}

/** The checksum counts its own field as blanks. */
function isSealed(bytes: Buffer, at: number): boolean {
  let sum = sumOfBlock(bytes, at) + 8 * 0x20;
  for (let i = at + 148; i < at + 156; i += 1) sum -= bytes[i] as number;
  return octal(bytes, at + 148, 8) === sum;
}

/** Four bytes a step, where they lie so; their sums stay below 16 bits each. */
function sumOfBlock(bytes: Buffer, at: number): number {
  const start = bytes.byteOffset + at;
  let sum = 0;
  if (start % 4 !== 0) {
    for (let i = at; i < at + BLOCK_BYTES; i += 1) sum += bytes[i] as number;
    return sum;
  }
  const words = new Int32Array(bytes.buffer, start, BLOCK_BYTES / 4);
  let even = 0;
  let odd = 0;
  for (let i = 0; i < BLOCK_BYTES / 4; i += 1) {
    const word = words[i] as number;
    even += word & 0x00ff00ff;
    odd += (word >>> 8) & 0x00ff00ff;
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16);
}

function startsWith(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i += 1) if (bytes[at + i] !== text[i]) return false;
  return true;
}
