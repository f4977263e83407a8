// What a directory contained when it was saved, as GNU tar writes it into incremental archives
// (GNU.dumpdir): a letter and a name for each entry. It is how an incremental tells what is gone.

import type { NameList } from './name-list.ts';

/** A list on its way into a header: its length is known before its bytes are made. */
export interface DumpList {
  readonly bytes: number;
  pieces(): Iterable<Buffer>;
}

/** A longer list is left out: whoever recovers has to hold it. Enough for ten million names. */
export const DUMP_DIRECTORY_BYTES_MAX = 256 * 1024 * 1024;

const END = '\0';
/** "D" for a directory, "Y" for anything else. */
const LETTERS = { directory: 'D', other: 'Y' } as const;
const PIECE_BYTES = 64 * 1024;

/** Undefined when the list would be too long. */
export function dumpListOf(names: NameList): DumpList | undefined {
  let bytes = 1;
  for (let i = 0; i < names.length; i += 1) bytes += names.name(i).length + 2;
  if (bytes > DUMP_DIRECTORY_BYTES_MAX) return undefined;
  return { bytes, pieces: () => piecesOf(names) };
}

function* piecesOf(names: NameList): Iterable<Buffer> {
  let piece = '';
  for (let i = 0; i < names.length; i += 1) {
    const letter = names.type(i) === 'directory' ? LETTERS.directory : LETTERS.other;
    piece += letter + names.name(i) + END;
    if (piece.length < PIECE_BYTES) continue;
    yield Buffer.from(piece, 'latin1');
    piece = '';
  }
  yield Buffer.from(piece + END, 'latin1');
}

/**
 * Tells whether names were there. Ask for them in the order of their bytes: a list in that order, as
 * ndmpd and GNU tar write it, is then read along and needs no room.
 */
export function listedNames(list: Buffer): (name: string) => boolean {
  if (!isInOrder(list)) {
    const names = new Set(namesIn(list));
    return (name) => names.has(name);
  }
  const rest = namesIn(list);
  let current = rest.next();
  return (name) => {
    while (!current.done && current.value < name) current = rest.next();
    return !current.done && current.value === name;
  };
}

function isInOrder(list: Buffer): boolean {
  let before = '';
  for (const name of namesIn(list)) {
    if (name < before) return false;
    before = name;
  }
  return true;
}

/** Letters of renames (R, T, X) name no entry and are passed over. */
function* namesIn(list: Buffer): Generator<string, undefined> {
  let at = 0;
  while (at < list.length && list[at] !== 0) {
    const end = list.indexOf(0, at);
    const stop = end === -1 ? list.length : end;
    const letter = String.fromCharCode(list[at] as number);
    if ('YND'.includes(letter)) yield list.toString('latin1', at + 1, stop);
    at = stop + 1;
  }
}
