// Picks the member headers out of a GNU tar stream that comes in pieces, and passes over the data.

export interface TarHeader {
  readonly name: string;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  /** Bytes of data behind the header, without padding. */
  readonly dataBytes: number;
  /** Where the member's first block lies, a long-name block included. */
  readonly offset: number;
}

const BLOCK = 512;

export function tarPadding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

export class TarHeaders {
  readonly #onHeader: (header: TarHeader) => void;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #skip = 0;
  #position = 0;
  #memberOffset = 0;
  #longName: string | undefined;
  #nameBytesLeft = 0;
  #namePadding = 0;
  #nameParts: Buffer[] = [];
  isOver = false;

  constructor(onHeader: (header: TarHeader) => void) {
    this.#onHeader = onHeader;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.isOver) {
      const from = at;
      if (this.#nameBytesLeft > 0) at += this.#takeName(chunk, at);
      else if (this.#skip > 0) at += this.#takeSkip(chunk.length - at);
      else at += this.#takeBlock(chunk, at);
      this.#position += at - from;
    }
  }

  #takeSkip(available: number): number {
    const part = Math.min(this.#skip, available);
    this.#skip -= part;
    return part;
  }

  #takeName(chunk: Buffer, at: number): number {
    const part = Buffer.from(chunk.subarray(at, at + this.#nameBytesLeft));
    this.#nameParts.push(part);
    this.#nameBytesLeft -= part.length;
    if (this.#nameBytesLeft === 0) {
      this.#longName = Buffer.concat(this.#nameParts).toString('latin1').replace(/\0.*$/s, '');
      this.#nameParts = [];
      this.#skip = this.#namePadding;
    }
    return part.length;
  }

  #takeBlock(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#block, this.#filled, at);
    this.#filled += copied;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#header(this.#position + copied - BLOCK);
    }
    return copied;
  }

  #header(offset: number): void {
    const block = this.#block;
    if (block.every((byte) => byte === 0)) {
      this.isOver = true;
      return;
    }
    const flag = String.fromCharCode(block[156] || 0x30);
    const size = number(block, 124, 12);
    if (flag === 'L') {
      this.#memberOffset = offset;
      this.#nameBytesLeft = size;
      this.#namePadding = tarPadding(size);
      return;
    }
    if (flag === 'K') {
      if (this.#longName === undefined) this.#memberOffset = offset;
      this.#skip = size + tarPadding(size);
      return;
    }
    const dataBytes = flag === '0' ? size : 0;
    const memberOffset = this.#longName === undefined ? offset : this.#memberOffset;
    this.#onHeader({
      name: this.#longName ?? text(block, 0, 100),
      flag,
      mode: number(block, 100, 8) & 0o7777,
      uid: number(block, 108, 8),
      gid: number(block, 116, 8),
      size,
      mtime: number(block, 136, 12),
      dataBytes,
      offset: memberOffset,
    });
    this.#longName = undefined;
    this.#skip = dataBytes + tarPadding(dataBytes);
  }
}

function text(block: Buffer, at: number, length: number): string {
  return block.toString('latin1', at, at + length).replace(/\0.*$/s, '');
}

/** Octal, or GNU's base-256 where the top bit is set. */
function number(block: Buffer, at: number, length: number): number {
  if (((block[at] ?? 0) & 0x80) === 0) {
    return Number.parseInt(text(block, at, length).trim() || '0', 8);
  }
  let value = (block[at] ?? 0) & 0x7f;
  for (let i = at + 1; i < at + length; i += 1) value = value * 256 + (block[i] ?? 0);
  return value;
}
