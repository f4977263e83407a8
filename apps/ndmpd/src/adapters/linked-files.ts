// Files with several names: where the first of them went, so that the others become links to it. An
// entry goes when the last of its names was met. Paths lie in a temporary file once they are many.

import type { ObjectStats } from '../core/entry.ts';
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

/** By device and inode: overlays show files with the devices of their layers. */
export class LinkedFiles {
  readonly #tables = new Map<bigint, LinkTable>();
  readonly #records: SpillFile;
  readonly #onLimit: (why: string) => void;
  #isLimitTold = false;

  /** `onLimit` is told once, and why, when further names become copies. */
  constructor(onLimit: (why: string) => void, records: SpillFile = new SpillFile()) {
    this.#onLimit = onLimit;
    this.#records = records;
  }

  has({ dev, ino }: ObjectStats): boolean {
    return this.#tables.get(dev)?.get(ino) !== undefined;
  }

  /** Its data is in the stream. */
  isSent({ dev, ino }: ObjectStats): boolean {
    return this.#tables.get(dev)?.get(ino)?.isMarked ?? false;
  }

  /** The file for one more of its names. */
  take({ dev, ino }: ObjectStats): LinkedFile | undefined {
    const table = this.#tables.get(dev);
    const entry = table?.get(ino);
    if (table === undefined || entry === undefined) return undefined;
    if (entry.namesLeft > 1) table.set(ino, { ...entry, namesLeft: entry.namesLeft - 1 });
    else table.delete(ino);
    try {
      const record = this.#records.read(entry.value);
      const offset = record.readDoubleLE(0);
      return {
        path: record.subarray(OFFSET_BYTES),
        offset: offset === UNSENT ? undefined : offset,
      };
    } catch (error) {
      this.#tellLimit(`their paths cannot be read back (${errorCode(error)})`);
      table.delete(ino);
      return undefined;
    }
  }

  add(stats: ObjectStats, path: Buffer, offset: number): void {
    this.#add(stats, path, offset);
  }

  /** A name that the base has and the stream does not: a link can still be made to it. */
  addUnsent(stats: ObjectStats, path: Buffer): void {
    if (this.take(stats) === undefined) this.#add(stats, path, UNSENT);
  }

  close(): void {
    this.#records.close();
  }

  #add({ dev, ino, nlink }: ObjectStats, path: Buffer, offset: number): void {
    const table = this.#tables.get(dev) ?? new LinkTable();
    this.#tables.set(dev, table);
    if (this.#count() >= FILES_MAX) {
      this.#tellLimit('there are too many');
      return;
    }
    const record = Buffer.allocUnsafe(OFFSET_BYTES + path.length);
    record.writeDoubleLE(offset, 0);
    path.copy(record, OFFSET_BYTES);
    try {
      const value = this.#records.append(record);
      const isMarked = offset !== UNSENT;
      table.set(ino, { value, isMarked, namesLeft: Number(nlink) - 1 });
    } catch (error) {
      this.#tellLimit(`their paths cannot be kept (${errorCode(error)})`);
    }
  }

  #count(): number {
    let count = 0;
    for (const { size } of this.#tables.values()) count += size;
    return count;
  }

  #tellLimit(why: string): void {
    if (!this.#isLimitTold) this.#onLimit(why);
    this.#isLimitTold = true;
  }
}
