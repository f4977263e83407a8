// Looks at the entries of one directory, a batch at a time: what each is, and for small files their
// bytes, read right after their size was asked. Nothing is sent here, so the system calls of a batch run
// while attributes are fetched elsewhere.

import type { BigIntStats } from 'node:fs';
import { type EntryType, type ObjectStats, typeOf } from '../core/entry.ts';
import { errorCode } from './directory.ts';
import { type OpenFile, OTHER_MOUNT, type SourceTree } from './source-tree.ts';
import type { WalkedDirectory } from './walked-directory.ts';

export const SMALL_FILE_BYTES: number = 64 * 1024;
/** For the files of a batch. */
export const BATCH_BYTES: number = 4 * 1024 * 1024;
const STAT_BLOCK_BYTES = 512n;

export interface Child {
  readonly name: string;
  readonly type: EntryType;
  readonly stats: ObjectStats;
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
  wants(stats: ObjectStats): boolean;
  /** Examine before opening: most entries will not be wanted. */
  readonly examinesFirst: boolean;
}

export class ChildLoader {
  readonly #tree: SourceTree;
  readonly #staging: Buffer;
  readonly #onTrouble: (walked: WalkedDirectory, trouble: LoadTrouble) => void;
  #staged = 0;

  /** `stagingBytes`: what small files of a batch may have together; one of them, at least. */
  constructor(
    tree: SourceTree,
    stagingBytes: number,
    onTrouble: (walked: WalkedDirectory, trouble: LoadTrouble) => void,
  ) {
    this.#tree = tree;
    this.#staging = Buffer.allocUnsafeSlow(stagingBytes);
    this.#onTrouble = onTrouble;
  }

  /** Bytes of earlier batches are no longer needed. */
  startBatch(): void {
    this.#staged = 0;
  }

  /** True while another small file is sure to fit. */
  get hasRoom(): boolean {
    return this.#staged + SMALL_FILE_BYTES <= this.#staging.length;
  }

  /** A name of the directory; undefined when there is nothing to save, trouble included. */
  load(
    walked: WalkedDirectory,
    name: string,
    listed: EntryType | undefined,
    rules: LoadRules,
  ): Child | undefined {
    if (listed === 'file' && !rules.examinesFirst) return this.#loadFile(walked, name, rules);
    const child = this.look(walked, name);
    if (child?.type !== 'file' || !rules.wants(child.stats)) return child;
    return this.#loadFile(walked, name, rules);
  }

  /** What is there, without any bytes. */
  look(walked: WalkedDirectory, name: string): Child | undefined {
    const stats = this.examine(walked, name);
    const type = stats && typeOf(stats);
    return stats === undefined || type === undefined ? undefined : { name, type, stats };
  }

  /** The attributes of a name; undefined when it is gone or cannot be examined. */
  examine(walked: WalkedDirectory, name: string): BigIntStats | undefined {
    try {
      return this.#tree.examine(walked.directory, name);
    } catch (error) {
      this.#trouble(walked, name, 'cannot be examined', error);
      return undefined;
    }
  }

  /** Opens a file for reading; whoever asks closes it. Undefined when it cannot be saved. */
  openFile(walked: WalkedDirectory, name: string): OpenFile | undefined {
    let file: OpenFile;
    try {
      file = this.#tree.openFile(walked.directory, name);
    } catch (error) {
      this.#trouble(walked, name, 'cannot be opened', error);
      return undefined;
    }
    if (file.stats.isFile()) return file;
    this.#tree.closeFile(file.fd);
    this.#onTrouble(walked, { name, what: 'was replaced during the backup', isChange: true });
    return undefined;
  }

  #loadFile(walked: WalkedDirectory, name: string, rules: LoadRules): Child | undefined {
    const opened = this.openFile(walked, name);
    if (opened === undefined) return undefined;
    const { fd, stats } = opened;
    try {
      const isStaged = rules.wants(stats) && this.#isStaged(stats);
      return isStaged ? this.#stage(fd, name, stats) : { name, type: 'file', stats };
    } catch (error) {
      this.#trouble(walked, name, 'could not be read and was left out', error);
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

  #trouble(walked: WalkedDirectory, name: string, what: string, error: unknown): void {
    const code = errorCode(error);
    if (code === 'ENOENT') {
      this.#onTrouble(walked, { name, what: 'vanished during the backup', isChange: true });
    } else if (code === OTHER_MOUNT) {
      const what = 'is another file system and was left out';
      this.#onTrouble(walked, { name, what, isChange: true });
    } else this.#onTrouble(walked, { name, what: `${what}: ${code}`, isChange: false });
  }
}
