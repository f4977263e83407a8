// RFC 1831 record marking. Bytes go in as they come off the wire, whole records come out. Memory
// grows with what arrived, never with what a length word claims; a broken stream throws FramingError.

/** The peer's stream cannot be cut into records; the session that carried it must end. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

const LAST_FRAGMENT = 0x8000_0000;
// Peers cut records into fragments of about 4 kB; empty ones are legal, endless ones are not.
const FRAGMENTS_MAX = 65_536;

export class RecordFramer {
  /** Longest record taken; may be raised once the peer is known. */
  recordBytesMax: number;
  #mark = 0;
  #markBytes = 0;
  #fragmentLeft = 0;
  #isLast = false;
  #fragments = 0;
  #held = Buffer.alloc(0);
  #heldBytes = 0;

  constructor(recordBytesMax: number) {
    this.recordBytesMax = recordBytesMax;
  }

  /**
   * Takes the next bytes and hands out each record that they complete, in order. A record may share
   * memory with `chunk`: who keeps one longer than the chunk lives must copy it.
   */
  push(chunk: Buffer, onRecord: (record: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#fragmentLeft === 0) at = this.#readMark(chunk, at);
      if (this.#markBytes === 4) at = this.#readFragment(chunk, at, onRecord);
    }
  }

  /** True between records: the only place where a peer may close the stream in order. */
  get atBoundary(): boolean {
    return this.#markBytes === 0 && this.#heldBytes === 0 && this.#fragments === 0;
  }

  #readMark(chunk: Buffer, from: number): number {
    let at = from;
    while (this.#markBytes < 4 && at < chunk.length) {
      this.#mark = ((this.#mark << 8) | (chunk[at] ?? 0)) >>> 0;
      this.#markBytes += 1;
      at += 1;
    }
    if (this.#markBytes === 4) this.#startFragment();
    return at;
  }

  #startFragment(): void {
    this.#isLast = this.#mark >= LAST_FRAGMENT;
    this.#fragmentLeft = this.#mark % LAST_FRAGMENT;
    this.#fragments += 1;
    const total = this.#heldBytes + this.#fragmentLeft;
    if (total > this.recordBytesMax) {
      throw new FramingError(`record of ${total} bytes, limit ${this.recordBytesMax}`);
    }
    if (this.#fragments > FRAGMENTS_MAX) throw new FramingError('too many fragments in a record');
  }

  #readFragment(chunk: Buffer, at: number, onRecord: (record: Buffer) => void): number {
    const end = Math.min(at + this.#fragmentLeft, chunk.length);
    const part = chunk.subarray(at, end);
    this.#fragmentLeft -= part.length;
    if (this.#fragmentLeft > 0) {
      this.#hold(part);
      return end;
    }
    this.#markBytes = 0;
    this.#mark = 0;
    if (!this.#isLast) {
      this.#hold(part);
      return end;
    }
    const record = this.#complete(part);
    onRecord(record);
    return end;
  }

  #complete(part: Buffer): Buffer {
    this.#fragments = 0;
    if (this.#heldBytes === 0) return part;
    this.#hold(part);
    const record = this.#held.subarray(0, this.#heldBytes);
    this.#held = Buffer.alloc(0);
    this.#heldBytes = 0;
    return record;
  }

  #hold(part: Buffer): void {
    const needed = this.#heldBytes + part.length;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#held.length * 2, 512));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    part.copy(this.#held, this.#heldBytes);
    this.#heldBytes = needed;
  }
}
