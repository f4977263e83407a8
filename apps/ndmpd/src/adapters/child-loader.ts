// Looks at the entries of one directory, a batch at a time: what each is, and for small files their
// bytes, read right after their size was asked. Nothing is sent here, so the system calls of a batch run
// while attributes are fetched elsewhere.

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
} from 'node:fs';
import { type EntryType, typeOf } from '../core/entry.ts';
import { type Directory, errorCode, nameIn } from './directory.ts';

const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const SMALL_FILE_BYTES = 64 * 1024;
const STAGING_BYTES = 4 * 1024 * 1024;
const STAT_BLOCK_BYTES = 512n;
const NON_ASCII = /[\x80-\xff]/;

export interface Child {
  readonly name: string;
  readonly type: EntryType;
  readonly stats: BigIntStats;
  /** The bytes of a small file; the member has exactly these. Others are opened when their turn comes. */
  readonly content?: Buffer;
}

export interface OpenFile {
  readonly fd: number;
  readonly stats: BigIntStats;
}

/** Why a name is not there. */
export interface LoadTrouble {
  readonly name: string;
  readonly what: string;
  /** It vanished or was replaced, which no backup can help: a warning, no failure. */
  readonly isChange: boolean;
}

export interface LoadRules {
  /** What is not wanted is returned without its bytes. */
  wants(stats: BigIntStats): boolean;
  /** Examine before opening: most entries will not be wanted. */
  readonly examinesFirst: boolean;
}

export class ChildLoader {
  readonly #staging = Buffer.allocUnsafeSlow(STAGING_BYTES);
  readonly #onTrouble: (directory: Directory, trouble: LoadTrouble) => void;
  #staged = 0;
  #noAccessTime = constants.O_NOATIME;

  constructor(onTrouble: (directory: Directory, trouble: LoadTrouble) => void) {
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
      return lstatSync(nameIn(directory, pathOf(name)), { bigint: true });
    } catch (error) {
      this.#trouble(directory, name, 'cannot be examined', error);
      return undefined;
    }
  }

  /** Opens a file for reading; whoever asks closes it. Undefined when it cannot be saved. */
  openFile(directory: Directory, name: string): OpenFile | undefined {
    let fd: number;
    try {
      fd = this.#open(directory, pathOf(name));
    } catch (error) {
      this.#trouble(directory, name, 'cannot be opened', error);
      return undefined;
    }
    const stats = fstatSync(fd, { bigint: true });
    if (stats.isFile()) return { fd, stats };
    closeSync(fd);
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
      closeSync(fd);
    }
  }

  /** Reading for a backup is no use of a file; only owners and root may ask for that. */
  #open(directory: Directory, path: Buffer | string): number {
    try {
      return openSync(nameIn(directory, path), OPEN_FILE | this.#noAccessTime);
    } catch (error) {
      if (this.#noAccessTime === 0 || errorCode(error) !== 'EPERM') throw error;
    }
    this.#noAccessTime = 0;
    return openSync(nameIn(directory, path), OPEN_FILE);
  }

  /** Files with holes go the longer way. */
  #isStaged({ size, blocks }: BigIntStats): boolean {
    if (size > SMALL_FILE_BYTES || !this.hasRoom) return false;
    return size <= 4096n || blocks * STAT_BLOCK_BYTES >= size;
  }

  #stage(fd: number, name: string, stats: BigIntStats): Child {
    const wanted = Number(stats.size);
    let read = 0;
    while (read < wanted) {
      const got = readSync(fd, this.#staging, this.#staged + read, wanted - read, read);
      if (got === 0) break;
      read += got;
    }
    const content = this.#staging.subarray(this.#staged, this.#staged + read);
    this.#staged += read;
    return { name, type: 'file', stats, content };
  }

  #trouble(directory: Directory, name: string, what: string, error: unknown): void {
    const code = errorCode(error);
    if (code === 'ENOENT') {
      this.#onTrouble(directory, { name, what: 'vanished during the backup', isChange: true });
    } else this.#onTrouble(directory, { name, what: `${what}: ${code}`, isChange: false });
  }
}

/** Node encodes strings as UTF-8: only ASCII ones may go as they are. */
export function pathOf(name: string): Buffer | string {
  return NON_ASCII.test(name) ? Buffer.from(name, 'latin1') : name;
}
