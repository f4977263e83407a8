// What a directory holds, in the order of its bytes: a name and its type in one string each, so that a
// million entries need some fifty megabytes and no system call of their own.

import { type Dirent, opendirSync, readdirSync } from 'node:fs';
import type { EntryType } from '../core/entry.ts';
import { type Directory, nameIn } from './directory.ts';

/** "NAME\0T": sorts as the name does. Names are latin1, one character a byte. */
export type ListedEntry = string;

const ENTRIES_A_CALL = 512;
const LETTERS: Readonly<Record<string, EntryType>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'fifo',
  c: 'char',
  b: 'block',
  s: 'socket',
};

export function listedName(entry: ListedEntry): string {
  return entry.slice(0, -2);
}

/** Undefined when the file system did not say. */
export function listedType(entry: ListedEntry): EntryType | undefined {
  return LETTERS[entry.at(-1) ?? ''];
}

/** Throws the errno of a directory that cannot be listed. */
export function listDirectory(directory: Directory): ListedEntry[] {
  return (readTyped(directory) ?? readUntyped(directory)).sort();
}

/** Undefined where types are not to be had: Node then looks them up by a name that it may get wrong. */
function readTyped(directory: Directory): ListedEntry[] | undefined {
  const options = { encoding: 'latin1' as BufferEncoding, bufferSize: ENTRIES_A_CALL };
  const stream = opendirSync(nameIn(directory, '.'), options);
  const entries: ListedEntry[] = [];
  try {
    for (;;) {
      const entry = stream.readSync();
      if (entry === null) return entries;
      entries.push(`${entry.name}\0${letterOf(entry)}`);
    }
  } catch {
    return undefined;
  } finally {
    stream.closeSync();
  }
}

function readUntyped(directory: Directory): ListedEntry[] {
  const names = readdirSync(nameIn(directory, '.'), { encoding: 'latin1' });
  return names.map((name) => `${name}\0?`);
}

function letterOf(entry: Dirent): string {
  if (entry.isFile()) return 'f';
  if (entry.isDirectory()) return 'd';
  if (entry.isSymbolicLink()) return 'l';
  if (entry.isFIFO()) return 'p';
  if (entry.isCharacterDevice()) return 'c';
  if (entry.isBlockDevice()) return 'b';
  return entry.isSocket() ? 's' : '?';
}
