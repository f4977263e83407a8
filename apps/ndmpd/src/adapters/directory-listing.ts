// What a directory of this host holds. Names go from small buffers straight into the list, so a million of
// them need no more memory than the list does.

import { type Dirent, lstatSync, opendirSync, readdirSync, type Stats } from 'node:fs';
import { type NameList, NameListBuilder, type TypeLetter } from '../core/name-list.ts';
import { type Directory, nameIn, pathOf } from './directory.ts';

const ENTRIES_A_CALL = 512;

/** Throws the errno of a directory that cannot be listed. */
export function listDirectory(directory: Directory): NameList {
  return readTyped(directory) ?? readUntyped(directory);
}

/** Undefined where types are not to be had: Node then looks them up by a name that it may get wrong. */
function readTyped(directory: Directory): NameList | undefined {
  const options = { encoding: 'latin1' as BufferEncoding, bufferSize: ENTRIES_A_CALL };
  const stream = opendirSync(nameIn(directory, '.'), options);
  const names = new NameListBuilder();
  try {
    for (;;) {
      const entry = stream.readSync();
      if (entry === null) return names.finish();
      names.add(entry.name, letterOf(entry));
    }
  } catch {
    return undefined;
  } finally {
    stream.closeSync();
  }
}

function readUntyped(directory: Directory): NameList {
  const names = new NameListBuilder();
  for (const name of readdirSync(nameIn(directory, '.'), { encoding: 'latin1' })) {
    names.add(name, lookUp(directory, name));
  }
  return names.finish();
}

/** Whoever works on the entry meets the same error, and tells it. */
function lookUp(directory: Directory, name: string): TypeLetter {
  try {
    return letterOf(lstatSync(nameIn(directory, pathOf(name))));
  } catch {
    return '?';
  }
}

function letterOf(entry: Dirent | Stats): TypeLetter {
  if (entry.isFile()) return 'f';
  if (entry.isDirectory()) return 'd';
  if (entry.isSymbolicLink()) return 'l';
  if (entry.isFIFO()) return 'p';
  if (entry.isCharacterDevice()) return 'c';
  if (entry.isBlockDevice()) return 'b';
  return entry.isSocket() ? 's' : '?';
}
