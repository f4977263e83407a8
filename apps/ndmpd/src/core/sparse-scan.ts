// Finds the holes of a file: from the runs of data that the file system names, or by the zeros in it.

import type { Extent } from './tar-encode.ts';

export const SCAN_BLOCK_BYTES = 4096;
// A file that alternates for ever must not fill memory: after this many runs the rest counts as data.
export const EXTENTS_MAX = 65_536;

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

/**
 * Runs of data cut to the size that a header will give, closed by an empty one at the end. Undefined when
 * they cover the file whole.
 */
export function clipRuns(runs: readonly Extent[], size: number): Extent[] | undefined {
  const clipped = runs
    .filter(({ offset, length }) => length > 0 && offset < size)
    .map(({ offset, length }) => ({ offset, length: Math.min(length, size - offset) }));
  const only = clipped.length === 1 ? clipped[0] : undefined;
  if (only?.offset === 0 && only.length === size) return undefined;
  const last = clipped.at(-1);
  if (last === undefined || last.offset + last.length < size) {
    clipped.push({ offset: size, length: 0 });
  }
  return clipped;
}
