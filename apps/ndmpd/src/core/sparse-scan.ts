// Finds the holes of a file by its zeros, a block at a time: Node offers no SEEK_HOLE.

import type { Extent } from './tar-encode.ts';

export const SCAN_BLOCK_BYTES = 4096;
// A file that alternates for ever must not fill memory: after this many runs the rest counts as data.
const EXTENTS_MAX = 65_536;

/** Collects runs of data from consecutive chunks; feed chunks of whole blocks but for the last. */
export class SparseScan {
  readonly #zeros = Buffer.alloc(SCAN_BLOCK_BYTES);
  readonly #extents: { offset: number; length: number }[] = [];
  #position = 0;

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += SCAN_BLOCK_BYTES) {
      const end = Math.min(at + SCAN_BLOCK_BYTES, chunk.length);
      const isZero = chunk.compare(this.#zeros, 0, end - at, at, end) === 0;
      if (!isZero || this.#extents.length >= EXTENTS_MAX) this.#addData(end - at);
      this.#position += end - at;
    }
  }

  /** The extents, closed by an empty one at the end of the file as readers of the format expect. */
  finish(): Extent[] {
    const last = this.#extents.at(-1);
    const end = last === undefined ? 0 : last.offset + last.length;
    if (end < this.#position) this.#extents.push({ offset: this.#position, length: 0 });
    return this.#extents;
  }

  #addData(length: number): void {
    const last = this.#extents.at(-1);
    if (last !== undefined && last.offset + last.length === this.#position) last.length += length;
    else this.#extents.push({ offset: this.#position, length });
  }
}
