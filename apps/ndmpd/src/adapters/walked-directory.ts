// A directory while a backup works in it or below it.

import type { BigIntStats } from 'node:fs';
import type { NameList } from '../core/name-list.ts';
import type { Verdict } from '../core/path-patterns.ts';
import type { Xattr } from './attribute-helper.ts';
import type { Directory } from './directory.ts';

export interface WalkedDirectory {
  readonly directory: Directory;
  /** From the backup root, without a leading slash; empty for the root itself. */
  readonly path: Buffer;
  readonly stats: BigIntStats;
  readonly parent: WalkedDirectory | undefined;
  /** See core/directory-set.ts. */
  readonly print: bigint;
  /** The base of an incremental saw it at this place. */
  readonly isKnown: boolean;
  readonly verdict: Verdict;
  /** Its files are read ahead, and its own attributes listed. */
  readonly isAhead: boolean;
  /** What it holds; nothing any more once its files are sent, if it is long. */
  names: NameList;
  /** Its own attributes, once they are known. */
  xattrs: readonly Xattr[] | undefined;
  isSent: boolean;
  /** Something in it is not whole in the stream. */
  hasFailed: boolean;
}

const SLASH = 0x2f;

/** The path of a name, given as latin1, in a directory. */
export function joinPath(directory: Buffer, name: string): Buffer {
  if (directory.length === 0) return Buffer.from(name, 'latin1');
  const path = Buffer.allocUnsafe(directory.length + 1 + name.length);
  directory.copy(path);
  path[directory.length] = SLASH;
  path.write(name, directory.length + 1, 'latin1');
  return path;
}
