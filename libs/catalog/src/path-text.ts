// File names are bytes; file lists, JSON and screens want text. Path text is the reversible form in between:
// UTF-8 stays as it is, and every byte that is not part of valid UTF-8 becomes one private-use character.

import { isUtf8 } from 'node:buffer';

/** A path or name as text: `pathToBytes` gives back exactly the bytes it was made from. */
export type PathText = string;

/** Byte b is spelled U+10FE00 + b: the last private-use plane, which no font and no file system uses. */
const ESCAPE_FIRST = 0x10fe00;
const ESCAPE_LAST = 0x10feff;
/** The UTF-8 bytes that all characters of the escape range start with. */
const ESCAPE_LEAD = Buffer.from([0xf4, 0x8f]);

/**
 * Bytes to path text. Injective; text order is byte order for names that are valid UTF-8.
 * NUL is escaped too, because databases refuse it in text.
 */
export function pathFromBytes(bytes: Uint8Array): PathText {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isPlain(buffer) ? buffer.toString('utf8') : escapeBytes(buffer);
}

/** Path text to bytes: the inverse of `pathFromBytes`. Lone surrogates become U+FFFD. */
export function pathToBytes(text: PathText): Buffer {
  const parts: Buffer[] = [];
  let plainStart = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at) as number;
    if (code <= 0xffff) continue;
    if (code >= ESCAPE_FIRST && code <= ESCAPE_LAST) {
      parts.push(Buffer.from(text.slice(plainStart, at), 'utf8'), Buffer.from([code & 0xff]));
      plainStart = at + 2;
    }
    at++;
  }
  parts.push(Buffer.from(text.slice(plainStart), 'utf8'));
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

/** True when the bytes are their own path text: valid UTF-8 without NUL and without escape characters. */
export function isPlain(buffer: Buffer): boolean {
  return isUtf8(buffer) && !buffer.includes(0) && !buffer.includes(ESCAPE_LEAD);
}

function escapeBytes(buffer: Buffer): PathText {
  let text = '';
  let at = 0;
  while (at < buffer.length) {
    const sizeBytes = charSizeBytes(buffer, at);
    if (sizeBytes === 0) {
      text += String.fromCodePoint(ESCAPE_FIRST + (buffer[at] as number));
      at++;
    } else {
      text += buffer.toString('utf8', at, at + sizeBytes);
      at += sizeBytes;
    }
  }
  return text;
}

/** Length of the character at `at` that may stay as it is; 0 when this byte must be escaped. */
function charSizeBytes(buffer: Buffer, at: number): number {
  const lead = buffer[at] as number;
  if (lead < 0x80) return lead === 0 ? 0 : 1;
  const sizeBytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const char = buffer.subarray(at, at + sizeBytes);
  if (char.length < sizeBytes || !isUtf8(char)) return 0;
  const code = char.toString('utf8').codePointAt(0) as number;
  return code >= ESCAPE_FIRST && code <= ESCAPE_LAST ? 0 : sizeBytes;
}

/**
 * A user's path as file lists hold it: absolute, no empty or `.` components, no trailing separator, escapes in
 * canonical form. Undefined when it has a `..` component, which no file list holds.
 */
export function normalizePath(text: PathText): PathText | undefined {
  const parts = pathFromBytes(pathToBytes(text))
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : `/${parts.join('/')}`;
}

/** `path` as the NDMP server knows it, below its backup root: '/' for the root; undefined outside of it. */
export function pathBelowPrefix(path: PathText, prefix: PathText): PathText | undefined {
  if (prefix === '/') return path;
  if (path === prefix) return '/';
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : undefined;
}
