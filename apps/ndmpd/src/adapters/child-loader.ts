// Looks at the entries of one directory, a batch at a time: what each is, and for small files their
// bytes, read right after their size was asked. Nothing is sent here, so the system calls of a batch run
// while attributes are fetched elsewhere.

import type { BigIntStats } from 'node:fs';
import { type EntryType, typeOf } from '../core/entry.ts';
import { type Directory, errorCode } from './directory.ts';
import { type OpenFile, OTHER_MOUNT, type SourceTree } from './source-tree.ts';

const SMALL_FILE_BYTES = 64 * 1024;
const STAGING_BYTES = 4 * 1024 * 1024;
const STAT_BLOCK_BYTES = 512n;

export interface Child {
  readonly name: string;
  readonly type: EntryType;
  readonly stats: BigIntStats;
  /** The bytes of a small file; the member has exactly these. Others are opened when their turn comes. */
  readonly content?: Buffer;
}

/** Why a name is not there. */
export interface LoadTrouble {
  readonly name: string;
  readonly what: string;
  /** It vanished, was replaced or is elsewhere, which no backup can help: a warning, no failure. */
  readonly isChange: boolean;
}

export interface LoadRules {
  /** What is not wanted is returned without its bytes. */
  wants(stats: BigIntStats): boolean;
  /** Examine before opening: most entries will not be wanted. */
  readonly examinesFirst: boolean;
}

export class ChildLoader {
  readonly #tree: SourceTree;
  readonly #staging = Buffer.allocUnsafeSlow(STAGING_BYTES);
  readonly #onTrouble: (directory: Directory, trouble: LoadTrouble) => void;
  #staged = 0;

  constructor(tree: SourceTree, onTrouble: (directory: Directory, trouble: LoadTrouble) => void) {
    this.#tree = tree;
    this.#onTrouble = onTrouble;
  }

  /** Bytes of earlier batches are no longer needed. */
  startBatch(): void {
    this.#staged = 0;
  }

  /** True while another small file is sure to fit. */
  get hasRoom(): boolean {
    return this.#staged + SMALL_FILE_BYTES <= STAGING_BYTES;
  }

  /** A name of the directory; undefined when there is nothing to save, trouble included. */
  load(
    directory: Directory,
    name: string,
    listed: EntryType | undefined,
    rules: LoadRules,
  ): Child | undefined {
    if (listed === 'file' && !rules.examinesFirst) return this.#loadFile(directory, name, rules);
    const stats = this.examine(directory, name);
    const type = stats === undefined ? undefined : typeOf(stats);
    if (stats === undefined || type === undefined) return undefined;
    if (type === 'file' && rules.wants(stats)) return this.#loadFile(directory, name, rules);
    return { name, type, stats };
  }

  /** The attributes of a name; undefined when it is gone or cannot be examined. */
  examine(directory: Directory, name: string): BigIntStats | undefined {
    try {
      return this.#tree.examine(directory, name);
    } catch (error) {
      this.#trouble(directory, name, 'cannot be examined', error);
      return undefined;
    }
  }

  /** Opens a file for reading; whoever asks closes it. Undefined when it cannot be saved. */
  openFile(directory: Directory, name: string): OpenFile | undefined {
    let file: OpenFile;
    try {
      file = this.#tree.openFile(directory, name);
    } catch (error) {
      this.#trouble(directory, name, 'cannot be opened', error);
      return undefined;
    }
    if (file.stats.isFile()) return file;
    this.#tree.closeFile(file.fd);
    this.#onTrouble(directory, { name, what: 'was replaced during the backup', isChange: true });
    return undefined;
  }

  #loadFile(directory: Directory, name: string, rules: LoadRules): Child | undefined {
    const opened = this.openFile(directory, name);
    if (opened === undefined) return undefined;
    const { fd, stats } = opened;
    try {
      const isStaged = rules.wants(stats) && this.#isStaged(stats);
      return isStaged ? this.#stage(fd, name, stats) : { name, type: 'file', stats };
    } catch (error) {
      this.#trouble(directory, name, 'could not be read and was left out', error);
      return undefined;
    } finally {
      this.#tree.closeFile(fd);
    }
  }

  /** Files with holes go the longer way. */
  #isStaged({ size, blocks }: BigIntStats): boolean {
    if (size > SMALL_FILE_BYTES || !this.hasRoom) return false;
    return size <= 4096n || blocks * STAT_BLOCK_BYTES >= size;
  }

  #stage(fd: number, name: string, stats: BigIntStats): Child {
    const wanted = Number(stats.size);
    const room = this.#staging.subarray(this.#staged, this.#staged + wanted);
    let read = 0;
    while (read < wanted) {
      const got = this.#tree.readFile(fd, read === 0 ? room : room.subarray(read), read);
      if (got === 0) break;
      read += got;
    }
    const content = read === wanted ? room : room.subarray(0, read);
    this.#staged += read;
    return { name, type: 'file', stats, content };
  }

  #trouble(directory: Directory, name: string, what: string, error: unknown): void {
    const code = errorCode(error);
    if (code === 'ENOENT') {
      this.#onTrouble(directory, { name, what: 'vanished during the backup', isChange: true });
    } else if (code === OTHER_MOUNT) {
      const what = 'is another file system and was left out';
      this.#onTrouble(directory, { name, what, isChange: true });
    } else this.#onTrouble(directory, { name, what: `${what}: ${code}`, isChange: false });
  }
}
