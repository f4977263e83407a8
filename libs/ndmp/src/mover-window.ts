// The arithmetic of mover windows: what SET_WINDOW, LISTEN, CONNECT and READ may ask for. 64-bit
// throughout; "no end" is a length that reaches to the last offset there is.

import { MOVER_MODE, NDMP_ERROR, U64_MAX } from './constants.ts';
import type { Dialect } from './server-rules.ts';

export interface Range {
  readonly offset: bigint;
  readonly length: bigint;
}

export const WHOLE_STREAM: Range = { offset: 0n, length: U64_MAX };

/** A range that was accepted, `undefined` for "no window", or why it was not. */
export type Checked = { readonly range: Range | undefined } | { readonly error: number };

const illegal: Checked = { error: NDMP_ERROR.illegalArgs };

/** A length of all ones after offset 0 is meant as "no end", and the lenient dialect takes it so. */
function bounded({ offset, length }: Range, dialect: Dialect): Range | undefined {
  if (length <= U64_MAX - offset) return { offset, length };
  const isEndless = length === U64_MAX && (!dialect.isStrict || dialect.version < 4);
  return isEndless ? { offset, length: U64_MAX - offset } : undefined;
}

export function isEndless({ offset, length }: Range): boolean {
  return offset + length === U64_MAX;
}

/** MOVER_SET_WINDOW's arguments, as far as they can be judged without the mover's mode. */
export function checkWindow(wanted: Range, recordSize: number, dialect: Dialect): Checked {
  if (wanted.length === 0n) {
    // Zero and zero is how the conformance series clears a window.
    return !dialect.isStrict && wanted.offset === 0n ? { range: undefined } : illegal;
  }
  const range = bounded(wanted, dialect);
  if (range === undefined) return illegal;
  if (dialect.version === 4 || recordSize === 0) return { range };
  const size = BigInt(recordSize);
  const isAligned = range.offset % size === 0n && (isEndless(range) || range.length % size === 0n);
  return isAligned ? { range } : illegal;
}

/** True when the window suits the mode: whole records to write, or records from its start to read. */
export function fitsMode(window: Range, mode: number, recordSize: number): boolean {
  const size = BigInt(recordSize);
  if (mode === MOVER_MODE.write) return window.offset % size === 0n;
  return isEndless(window) || window.length % size === 0n;
}

/** MOVER_READ's arguments. */
export function checkRead(wanted: Range, dialect: Dialect): Checked {
  const range = wanted.length === 0n ? undefined : bounded(wanted, dialect);
  return range === undefined ? illegal : { range };
}
