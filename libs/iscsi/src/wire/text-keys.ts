// The text of login and text PDUs: key=value, each closed by a NUL.

import { protocolError } from '../iscsi-error.ts';

export type TextKey = readonly [key: string, value: string];

/** Longest text that is put together from several PDUs. */
export const TEXT_BYTES_MAX = 64 * 1024;
const KEY_CHARACTERS_MAX = 63;

export function encodeKeys(keys: readonly TextKey[]): Buffer {
  return Buffer.from(keys.map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

export function decodeKeys(text: Buffer): TextKey[] {
  return text
    .toString('utf8')
    .split('\0')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 1 || equals > KEY_CHARACTERS_MAX) throw protocolError('text without a key');
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    });
}

/** Text that comes in several PDUs, put together. */
export class TextCollector {
  #pieces: Buffer[] = [];
  #bytes = 0;

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > TEXT_BYTES_MAX) throw protocolError('a text without an end');
    if (piece.length > 0) this.#pieces.push(piece);
  }

  take(): Buffer {
    const text = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return text;
  }
}

/** A number of a key, decimal or 0x…; anything else is the target's error. */
export function decodeNumber(key: string, value: string, range: readonly [number, number]): number {
  const number = /^(\d{1,10}|0[xX][0-9a-fA-F]{1,8})$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= range[0] && number <= range[1])) {
    throw protocolError(`${key} is not a number from ${range[0]} to ${range[1]}`);
  }
  return number;
}

/** Binary values: 0x… hexadecimal or 0b… base64. */
export function decodeBinary(key: string, value: string, bytesMax: number): Buffer {
  const bytes = binaryBytes(value);
  if (bytes === undefined || bytes.length === 0 || bytes.length > bytesMax) {
    throw protocolError(`${key} is not a binary value of 1 to ${bytesMax} bytes`);
  }
  return bytes;
}

function binaryBytes(value: string): Buffer | undefined {
  const digits = value.slice(2);
  if (/^0[xX]/.test(value) && /^[0-9a-fA-F]*$/.test(digits)) {
    return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  }
  if (/^0[bB]/.test(value) && /^[A-Za-z0-9+/]*={0,2}$/.test(digits)) {
    return Buffer.from(digits, 'base64');
  }
  return undefined;
}

export function encodeBinary(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}
