// A tree that exists only as a rule: as many files as a test or a benchmark wants, on no disk and in no
// memory. What it says of a name is always the same.

import { type BigIntStats, constants } from 'node:fs';
import type { Directory } from '../src/adapters/directory.ts';
import type { AttributeSource, OpenFile, SourceTree } from '../src/adapters/source-tree.ts';
import { type NameList, NameListBuilder } from '../src/core/name-list.ts';

export interface TreeRule {
  readonly folders: number;
  readonly filesAFolder: number;
  /** Of each file. */
  readonly bytes: number;
  /** Files of a folder that have a second name in a folder of the tree's other half. */
  readonly linkedAFolder?: number;
  /** Every so many-th file is younger than the rest, and so is every folder. */
  readonly changedEvery?: number;
}

/** Where the young and the old files of a tree are parted. */
export const CHANGED_AT_NS = 1_700_000_000_000_000_000n;

const FOLDERS_A_FOLDER = 20;
const FIRST_FILE_INODE = 1_000_000_000;
const FOLDER_NAME = 'folder-';
const FILE_NAME = 'quarterly-report-';
const FILL = 0x61;

interface Facts {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly bytes: number;
  readonly isChanged: boolean;
}

export class GeneratedTree implements SourceTree {
  readonly attributes: AttributeSource = NO_ATTRIBUTES;
  readonly #rule: TreeRule;
  readonly #onFolder: (listed: number) => void;
  #listed = 0;

  /** `onFolder` hears of each folder, right before it is listed. */
  constructor(rule: TreeRule, onFolder: (listed: number) => void = () => {}) {
    this.#rule = rule;
    this.#onFolder = onFolder;
  }

  openTop(): Directory {
    return { fd: 0 };
  }

  /** Folders are numbered, and the number is the descriptor. */
  openBelow(_parent: Directory, name: string): Directory {
    return { fd: numberIn(name, FOLDER_NAME) };
  }

  closeDirectory(): void {}

  statsOf({ fd }: Directory): BigIntStats {
    const mode = constants.S_IFDIR | 0o755;
    return statsOf({ inode: 1 + fd, mode, links: 2, bytes: 4096, isChanged: true });
  }

  isWithin(): boolean {
    return true;
  }

  list({ fd }: Directory): NameList {
    this.#onFolder(this.#listed);
    this.#listed += 1;
    const names = new NameListBuilder();
    for (let i = 0; i < this.#rule.filesAFolder; i += 1) names.add(nameOf(FILE_NAME, i), 'f');
    const last = Math.min((fd + 1) * FOLDERS_A_FOLDER, this.#rule.folders - 1);
    for (let i = fd * FOLDERS_A_FOLDER + 1; i <= last; i += 1)
      names.add(nameOf(FOLDER_NAME, i), 'd');
    return names.finish();
  }

  examine({ fd }: Directory, name: string): BigIntStats {
    const { linkedAFolder = 0, filesAFolder, folders, bytes, changedEvery } = this.#rule;
    const index = numberIn(name, FILE_NAME);
    const half = Math.floor(folders / 2);
    const isLinked = index < linkedAFolder && fd < 2 * half;
    const folder = isLinked && fd >= half ? fd - half : fd;
    const inode = FIRST_FILE_INODE + folder * filesAFolder + index;
    const isChanged = changedEvery !== undefined && index % changedEvery === 0;
    const mode = constants.S_IFREG | 0o640;
    return statsOf({ inode, mode, links: isLinked ? 2 : 1, bytes, isChanged });
  }

  readLink(): Buffer {
    throw new Error('there are no links here');
  }

  openFile(directory: Directory, name: string): OpenFile {
    return { fd: 0, stats: this.examine(directory, name) };
  }

  readFile(_fd: number, into: Buffer, position: number): number {
    const read = Math.min(into.length, this.#rule.bytes - position);
    into.fill(FILL, 0, read);
    return read;
  }

  statsOfFile(): BigIntStats {
    throw new Error('files are small here');
  }

  closeFile(): void {}
}

const NO_ATTRIBUTES: AttributeSource = {
  ready: async () => true,
  readXattrs: async () => new Map(),
  dataRuns: async () => undefined,
  close: () => {},
};

function nameOf(start: string, number: number): string {
  return start + String(number).padStart(8, '0');
}

function numberIn(name: string, start: string): number {
  return Number(name.slice(start.length));
}

function statsOf({ inode, mode, links, bytes, isChanged }: Facts): BigIntStats {
  const timeNs = CHANGED_AT_NS + (isChanged ? 1_000_000_001n : -1_000_000_001n);
  const timeMs = timeNs / 1_000_000n;
  const size = BigInt(bytes);
  const is = (type: number) => (): boolean => (mode & constants.S_IFMT) === type;
  const stats = {
    ...{
      dev: 1n,
      ino: BigInt(inode),
      mode: BigInt(mode),
      nlink: BigInt(links),
      uid: 1000n,
      gid: 100n,
    },
    ...{ rdev: 0n, size, blksize: 4096n, blocks: (size + 511n) / 512n },
    ...{ atimeMs: timeMs, mtimeMs: timeMs, ctimeMs: timeMs },
    ...{ atimeNs: timeNs, mtimeNs: timeNs, ctimeNs: timeNs },
    ...{ isFile: is(constants.S_IFREG), isDirectory: is(constants.S_IFDIR) },
    ...{ isSymbolicLink: is(constants.S_IFLNK), isFIFO: is(constants.S_IFIFO) },
    ...{ isBlockDevice: is(constants.S_IFBLK), isCharacterDevice: is(constants.S_IFCHR) },
    isSocket: is(constants.S_IFSOCK),
  };
  return stats as unknown as BigIntStats;
}
