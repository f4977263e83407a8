// The place in an ordered walk over file lists: by path bytewise, then by list. Also what a page's `next` holds.

import { StatusError } from '@tapestry/status';
import type { PathText } from '../path-text.ts';

/** Everything up to and including this is behind us. `list` Infinity: all lists of that path. */
export interface Cursor {
  readonly path: PathText;
  readonly list: number;
}

export function encodeCursor(cursor: Cursor): string {
  const list = Number.isFinite(cursor.list) ? cursor.list : null;
  return Buffer.from(JSON.stringify([cursor.path, list]), 'utf8').toString('base64url');
}

/** The `after` of a page that begins behind this path, whatever list had it. */
export function cursorAfter(path: PathText): string {
  return encodeCursor({ path, list: Number.POSITIVE_INFINITY });
}

/** Errors: invalidParameter for text that `encodeCursor` did not make. */
export function decodeCursor(text: string): Cursor {
  try {
    const [path, list] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (typeof path === 'string' && (list === null || Number.isInteger(list))) {
      return { path, list: list ?? Number.POSITIVE_INFINITY };
    }
  } catch {
    // falls through: not JSON
  }
  throw new StatusError('invalidParameter', 'the page mark is not one that a page gave');
}

/** Bytewise order of path text, which is DuckDB's; JavaScript's own order differs above U+FFFF. */
export function comparePaths(a: PathText, b: PathText): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

/** Paths from `low` on and before `high`; no `high`: to the end. */
export interface PathRange {
  readonly low: PathText;
  readonly high: PathText;
}

/** Everything below a directory, without itself. '0' is the character after '/'. */
export function rangeBelow(directory: PathText): PathRange {
  return directory === '/'
    ? { low: '/\u0001', high: '0' }
    : { low: `${directory}/`, high: `${directory}0` };
}
