// XDR (RFC 4506) as NDMP uses it: big-endian words, counted and padded byte strings. The reader
// trusts no length: whatever is not there throws XdrError before anything is allocated for it.

import { isUtf8 } from 'node:buffer';

/** The bytes do not form the message that their code promises. */
export class XdrError extends Error {
  override readonly name = 'XdrError';
}

/**
 * NDMP text as a JavaScript string, without loss: valid UTF-8 as usual, any other byte b as the lone
 * surrogate U+DC00+b, so that a file name in any encoding survives the way through a string.
 */
export function textFromBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = utf8LengthAt(bytes, at);
    text +=
      length > 0
        ? bytes.toString('utf8', at, at + length)
        : String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    at += Math.max(length, 1);
  }
  return text;
}

/** The inverse of textFromBytes. */
export function bytesFromText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const symbol of text) {
    const unit = symbol.charCodeAt(0);
    const escaped = symbol.length === 1 && unit >= 0xdc80 && unit <= 0xdcff;
    parts.push(escaped ? Buffer.of(unit - 0xdc00) : Buffer.from(symbol, 'utf8'));
  }
  return Buffer.concat(parts);
}

/** Bytes of the valid UTF-8 sequence that starts at `at`, or 0. */
function utf8LengthAt(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length += 1) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}

const padding = (length: number): number => -length & 3;

export class XdrReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  get offset(): number {
    return this.#at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  /** A fixed number of bytes with its padding; shares memory with the record. */
  fixed(length: number): Buffer {
    const at = this.#take(length);
    // The pad of the very last field may be missing: some servers cut it off.
    this.#at = Math.min(this.#at + padding(length), this.#bytes.length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Counted bytes; shares memory with the record. */
  opaque(): Buffer {
    return this.fixed(this.u32());
  }

  text(): string {
    return textFromBytes(this.opaque());
  }

  /** An array's element count, refused when the rest of the record cannot hold so many. */
  count(elementBytesMin: number): number {
    const count = this.u32();
    if (count * elementBytesMin > this.remaining) {
      throw new XdrError(`array of ${count} elements in ${this.remaining} bytes`);
    }
    return count;
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) {
      throw new XdrError(`${length} bytes wanted at ${at}, record has ${this.#bytes.length}`);
    }
    this.#at = at + length;
    return at;
  }
}

export class XdrWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(sizeHintBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(sizeHintBytes);
  }

  get length(): number {
    return this.#length;
  }

  u32(value: number): void {
    const at = this.#claim(4);
    this.#bytes.writeUInt32BE(value >>> 0, at);
  }

  i32(value: number): void {
    const at = this.#claim(4);
    this.#bytes.writeInt32BE(value | 0, at);
  }

  u64(value: bigint): void {
    const at = this.#claim(8);
    this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at);
  }

  fixed(bytes: Uint8Array): void {
    const pad = padding(bytes.length);
    const at = this.#claim(bytes.length + pad);
    this.#bytes.set(bytes, at);
    if (pad > 0) this.#bytes.fill(0, at + bytes.length, at + bytes.length + pad);
  }

  opaque(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.fixed(bytes);
  }

  text(value: string): void {
    this.opaque(bytesFromText(value));
  }

  /** Overwrites a word written before: counts and record marks known only at the end. */
  patchU32(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value >>> 0, at);
  }

  /** What was written so far; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room, which may replace #bytes: never call it in the arguments of a call on #bytes. */
  #claim(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#length = end;
    return at;
  }
}
