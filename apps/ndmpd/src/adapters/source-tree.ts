// The port through which a backup sees what it saves. A host's own tree is one implementation
// (host-tree.ts); tests and benchmarks have others: trees too large for a disk, files that fail.

import type { BigIntStats } from 'node:fs';
import type { NameList } from '../core/name-list.ts';
import type { Extent } from '../core/tar-encode.ts';
import type { Xattr } from './attribute-helper.ts';
import type { Directory } from './directory.ts';

/** The backup root cannot be opened: there is nothing to back up. */
export class RootError extends Error {
  override readonly name = 'RootError';
}

/** The code of an error for a file that is mounted over a name: no part of the tree. */
export const OTHER_MOUNT = 'EXDEV';

export interface OpenFile {
  readonly fd: number;
  readonly stats: BigIntStats;
}

/**
 * Directories stay open from `openBelow` to `closeDirectory`; names are latin1 strings, one character a
 * byte. No link is ever followed. Calls throw errors with the `code` of a system call.
 */
export interface SourceTree {
  /** The backup's root; throws RootError. */
  openTop(): Directory;
  openBelow(parent: Directory, name: string): Directory;
  closeDirectory(directory: Directory): void;
  statsOf(directory: Directory): BigIntStats;
  /** False where something else is mounted, which a backup does not enter. */
  isWithin(directory: Directory, stats: BigIntStats): boolean;
  list(directory: Directory): NameList;
  examine(directory: Directory, name: string): BigIntStats;
  readLink(directory: Directory, name: string): Buffer;
  /** For reading; the caller looks at its type. */
  openFile(directory: Directory, name: string): OpenFile;
  /** Bytes read, 0 at the end. */
  readFile(fd: number, into: Buffer, position: number): number;
  statsOfFile(fd: number): BigIntStats;
  closeFile(fd: number): void;
  readonly attributes: AttributeSource;
  /** Who reads small files ahead; without, all are read in their turn. */
  readonly ahead?: AheadSource;
  /** Whether what lies on this mount is part of the tree, as far as can be told: `mount` as the kernel numbers them. */
  holdsMount?(mount: number | undefined): boolean;
}

/** See attribute-helper.ts and load-ahead.ts. */
export interface AheadSource {
  openMemory(): Promise<string | undefined>;
  askAhead(directory: Directory, names: string): void;
  seal(): Promise<Buffer>;
}

/** What takes another process to ask. Without one, nothing is found. */
export interface AttributeSource {
  /** False when there is none. */
  ready(): Promise<boolean>;
  /** By position in `names`; those without any are missing. */
  readXattrs(
    directory: Directory,
    names: readonly string[],
  ): Promise<ReadonlyMap<number, readonly Xattr[]>>;
  /** See attribute-helper.ts. */
  dataRuns(fd: number, runsMax: number): Promise<Extent[] | undefined>;
  close(): void;
}
