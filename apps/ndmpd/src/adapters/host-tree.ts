// A tree of this host as the source of a backup: everything by open directory and single name.

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import type { BackupOrder } from '../core/data-protocol.ts';
import type { NameList } from '../core/name-list.ts';
import { AttributeHelper } from './attribute-helper.ts';
import {
  closeDirectory,
  type Directory,
  errorCode,
  nameIn,
  OPEN_FILE,
  openAt,
  openBelow,
  openRoot,
  pathOf,
} from './directory.ts';
import { listDirectory } from './directory-listing.ts';
import { MountPolicy } from './mounts.ts';
import { type OpenFile, OTHER_MOUNT, RootError, type SourceTree } from './source-tree.ts';

type Place = Pick<BackupOrder, 'exportDirectory' | 'components' | 'shownRoot'>;

export class HostTree implements SourceTree {
  readonly attributes: AttributeHelper = new AttributeHelper();
  readonly #place: Place;
  #mounts: MountPolicy | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  openTop(): Directory {
    const { exportDirectory, components, shownRoot } = this.#place;
    try {
      const root = openRoot(exportDirectory);
      try {
        const top = openAt(
          root,
          components.map((part) => Buffer.from(part)),
        );
        this.#mounts = new MountPolicy(top, this.statsOf(top));
        return top;
      } finally {
        closeDirectory(root);
      }
    } catch (cause) {
      throw new RootError(`cannot open ${shownRoot}: ${errorCode(cause)}`, { cause });
    }
  }

  openBelow(parent: Directory, name: string): Directory {
    return openBelow(parent, pathOf(name));
  }

  closeDirectory(directory: Directory): void {
    closeDirectory(directory);
  }

  statsOf({ fd }: Directory): BigIntStats {
    return fstatSync(fd, { bigint: true });
  }

  isWithin(directory: Directory, stats: BigIntStats): boolean {
    return this.#mounts?.allows(directory, stats) ?? true;
  }

  get ahead(): AttributeHelper {
    return this.attributes;
  }

  holdsMount(mount: number | undefined): boolean {
    return this.#mounts?.allowsMount(mount) ?? false;
  }

  list(directory: Directory): NameList {
    return listDirectory(directory);
  }

  examine(directory: Directory, name: string): BigIntStats {
    return lstatSync(nameIn(directory, pathOf(name)), { bigint: true });
  }

  readLink(directory: Directory, name: string): Buffer {
    return readlinkSync(nameIn(directory, pathOf(name)), { encoding: 'buffer' });
  }

  openFile(directory: Directory, name: string): OpenFile {
    const fd = this.#open(directory, pathOf(name));
    if (this.#mounts?.allowsFile(fd) ?? true) return { fd, stats: this.statsOfFile(fd) };
    closeSync(fd);
    throw Object.assign(new Error('it is mounted there'), { code: OTHER_MOUNT });
  }

  readFile(fd: number, into: Buffer, position: number): number {
    return readSync(fd, into, 0, into.length, position);
  }

  statsOfFile(fd: number): BigIntStats {
    return fstatSync(fd, { bigint: true });
  }

  closeFile(fd: number): void {
    closeSync(fd);
  }

  /** Reading for a backup is no use of a file; only its owner and root may ask for that. */
  #open(directory: Directory, path: Buffer | string): number {
    try {
      return openSync(nameIn(directory, path), OPEN_FILE | constants.O_NOATIME);
    } catch (error) {
      if (errorCode(error) !== 'EPERM') throw error;
    }
    return openSync(nameIn(directory, path), OPEN_FILE);
  }
}
