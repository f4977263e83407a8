// Files with several names: where the first of them went, so that the others become links to it. An
// entry goes when the last of its names was met.

import type { BigIntStats } from 'node:fs';

/** Some 60 MB. Beyond, names are saved as files of their own. */
const FILES_MAX = 250_000;

export interface LinkedFile {
  readonly path: Buffer;
  /** Where its member starts; undefined when it lies only in the base of an incremental. */
  readonly offset: number | undefined;
  namesLeft: number;
}

/** A backup stays on one device, so the inode says which file it is. */
type Key = number | bigint;

export class LinkedFiles {
  readonly #files = new Map<Key, LinkedFile>();
  #onFull: (() => void) | undefined;

  constructor(onFull: () => void) {
    this.#onFull = onFull;
  }

  find(stats: BigIntStats): LinkedFile | undefined {
    return this.#files.get(keyOf(stats));
  }

  /** The file for one more of its names. */
  take(stats: BigIntStats): LinkedFile | undefined {
    const key = keyOf(stats);
    const file = this.#files.get(key);
    if (file === undefined) return undefined;
    file.namesLeft -= 1;
    if (file.namesLeft === 0) this.#files.delete(key);
    return file;
  }

  add(stats: BigIntStats, path: Buffer, offset: number): void {
    this.#add(stats, { path, offset, namesLeft: Number(stats.nlink) - 1 });
  }

  /** A name that the base has and the stream does not: a link can still be made to it. */
  addUnsent(stats: BigIntStats, path: Buffer): void {
    if (this.take(stats) !== undefined) return;
    this.#add(stats, { path, offset: undefined, namesLeft: Number(stats.nlink) - 1 });
  }

  #add(stats: BigIntStats, file: LinkedFile): void {
    if (this.#files.size < FILES_MAX) {
      this.#files.set(keyOf(stats), file);
      return;
    }
    this.#onFull?.();
    this.#onFull = undefined;
  }
}

function keyOf({ ino }: BigIntStats): Key {
  return ino <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ino) : ino;
}
