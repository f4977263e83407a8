// Files with several names: where the first of them went, so that the others become links to it. An
// entry goes when the last of its names was met. Paths lie in a temporary file once they are many.

import type { BigIntStats } from 'node:fs';
import { LinkTable } from '../core/link-table.ts';
import { errorCode } from './directory.ts';
import { SpillFile } from './spill-file.ts';

/** Some 100 MB. Beyond, names are saved as files of their own. */
const FILES_MAX = 4_000_000;
const OFFSET_BYTES = 8;
const UNSENT = -1;

export interface LinkedFile {
  readonly path: Buffer;
  /** Where its member starts; undefined when it lies only in the base of an incremental. */
  readonly offset: number | undefined;
}

/** A backup stays on one device, so the inode says which file it is. */
export class LinkedFiles {
  readonly #table = new LinkTable();
  readonly #records: SpillFile;
  readonly #onLimit: (why: string) => void;
  #isLimitTold = false;

  /** `onLimit` is told once, and why, when further names become copies. */
  constructor(onLimit: (why: string) => void, records: SpillFile = new SpillFile()) {
    this.#onLimit = onLimit;
    this.#records = records;
  }

  has({ ino }: BigIntStats): boolean {
    return this.#table.get(ino) !== undefined;
  }

  /** Its data is in the stream. */
  isSent({ ino }: BigIntStats): boolean {
    return this.#table.get(ino)?.isMarked ?? false;
  }

  /** The file for one more of its names. */
  take({ ino }: BigIntStats): LinkedFile | undefined {
    const entry = this.#table.get(ino);
    if (entry === undefined) return undefined;
    if (entry.namesLeft > 1) this.#table.set(ino, { ...entry, namesLeft: entry.namesLeft - 1 });
    else this.#table.delete(ino);
    try {
      const record = this.#records.read(entry.value);
      const offset = record.readDoubleLE(0);
      return {
        path: record.subarray(OFFSET_BYTES),
        offset: offset === UNSENT ? undefined : offset,
      };
    } catch (error) {
      this.#tellLimit(`their paths cannot be read back (${errorCode(error)})`);
      this.#table.delete(ino);
      return undefined;
    }
  }

  add(stats: BigIntStats, path: Buffer, offset: number): void {
    this.#add(stats, path, offset);
  }

  /** A name that the base has and the stream does not: a link can still be made to it. */
  addUnsent(stats: BigIntStats, path: Buffer): void {
    if (this.take(stats) === undefined) this.#add(stats, path, UNSENT);
  }

  close(): void {
    this.#records.close();
  }

  #add({ ino, nlink }: BigIntStats, path: Buffer, offset: number): void {
    if (this.#table.size >= FILES_MAX) {
      this.#tellLimit('there are too many');
      return;
    }
    const record = Buffer.allocUnsafe(OFFSET_BYTES + path.length);
    record.writeDoubleLE(offset, 0);
    path.copy(record, OFFSET_BYTES);
    try {
      const value = this.#records.append(record);
      const isMarked = offset !== UNSENT;
      this.#table.set(ino, { value, isMarked, namesLeft: Number(nlink) - 1 });
    } catch (error) {
      this.#tellLimit(`their paths cannot be kept (${errorCode(error)})`);
    }
  }

  #tellLimit(why: string): void {
    if (!this.#isLimitTold) this.#onLimit(why);
    this.#isLimitTold = true;
  }
}
