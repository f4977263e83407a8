// What a directory holds, in the order of its bytes: a name and its type for each entry. Short lists are
// plain strings. Longer ones lie packed in buffers, so that a million names cost their own bytes and seven
// more each, and eight more while they are sorted.

import type { EntryType } from './entry.ts';

const LETTERS: Readonly<Record<string, EntryType>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'fifo',
  c: 'char',
  b: 'block',
  s: 'socket',
};

/** What readers of directories say: a letter of an entry type, or "?" where the type is not known. */
export type TypeLetter = 'f' | 'd' | 'l' | 'p' | 'c' | 'b' | 's' | '?';

/** Names are latin1 strings, one character a byte, without NUL. */
export interface NameList {
  readonly length: number;
  name(index: number): string;
  /** Undefined when it is not known. */
  type(index: number): EntryType | undefined;
  /** The entry turned out to be a directory. */
  markDirectory(index: number): void;
}

export const NO_NAMES: NameList = {
  length: 0,
  name: () => '',
  type: () => undefined,
  markDirectory: () => {},
};

/** Beyond so many, strings take more room than they save time. */
const PLAIN_MAX = 2048;

/** Takes names in any order. */
export class NameListBuilder {
  #plain: string[] = [];
  #packed: PackedNames | undefined;

  add(name: string, letter: TypeLetter): void {
    if (this.#packed !== undefined) this.#packed.add(name, letter);
    else if (this.#plain.length < PLAIN_MAX) this.#plain.push(`${name}\0${letter}`);
    else this.#pack().add(name, letter);
  }

  /** The list in its order; nothing may be added any more. */
  finish(): NameList {
    if (this.#packed === undefined) return new PlainNames(this.#plain.sort());
    this.#packed.sort();
    return this.#packed;
  }

  #pack(): PackedNames {
    const packed = new PackedNames();
    for (const entry of this.#plain) packed.add(entry.slice(0, -2), entry.at(-1) as TypeLetter);
    this.#plain = [];
    this.#packed = packed;
    return packed;
  }
}

/** The directories of a list: all that is needed of it once its files were seen. */
export function directoriesOf(list: NameList): NameList {
  const builder = new NameListBuilder();
  for (let i = 0; i < list.length; i += 1) {
    if (list.type(i) === 'directory') builder.add(list.name(i), 'd');
  }
  return builder.finish();
}

/** "NAME\0T" each: sorts as the name does. */
class PlainNames implements NameList {
  readonly #entries: string[];

  constructor(entries: string[]) {
    this.#entries = entries;
  }

  get length(): number {
    return this.#entries.length;
  }

  name(index: number): string {
    return (this.#entries[index] as string).slice(0, -2);
  }

  type(index: number): EntryType | undefined {
    return LETTERS[(this.#entries[index] as string).at(-1) as string];
  }

  markDirectory(index: number): void {
    this.#entries[index] = `${this.name(index)}\0d`;
  }
}

const SEGMENT_BITS = 18;
const SEGMENT_BYTES = 1 << SEGMENT_BITS;
/** Letter and length of a name, in front of it. */
const HEAD_BYTES = 3;
/** Bytes of a name that one sort looks at. */
const KEY_BYTES = 4;
/** Ranges shorter than this are sorted by insertion. */
const SHORT_RANGE = 12;

/** Each name lies in one segment; a position is that of its head, counted over all segments. */
class PackedNames implements NameList {
  readonly #segments: Buffer[] = [];
  readonly #segmentEnds: number[] = [];
  #length = 0;
  /** Positions in order. */
  #starts = new Uint32Array(0);

  get length(): number {
    return this.#length;
  }

  add(name: string, letter: TypeLetter): void {
    const needed = HEAD_BYTES + name.length;
    let last = this.#segments.length - 1;
    if (last < 0 || (this.#segmentEnds[last] as number) + needed > SEGMENT_BYTES) {
      this.#segments.push(Buffer.allocUnsafeSlow(SEGMENT_BYTES));
      this.#segmentEnds.push(0);
      last += 1;
    }
    const segment = this.#segments[last] as Buffer;
    const at = this.#segmentEnds[last] as number;
    segment[at] = letter.charCodeAt(0);
    segment[at + 1] = name.length & 0xff;
    segment[at + 2] = name.length >>> 8;
    segment.write(name, at + HEAD_BYTES, 'latin1');
    this.#segmentEnds[last] = at + needed;
    this.#length += 1;
  }

  name(index: number): string {
    const start = this.#starts[index] as number;
    const at = (start & (SEGMENT_BYTES - 1)) + HEAD_BYTES;
    return this.#segmentOf(start).toString('latin1', at, at + this.#lengthAt(start));
  }

  type(index: number): EntryType | undefined {
    const start = this.#starts[index] as number;
    const letter = this.#segmentOf(start)[start & (SEGMENT_BYTES - 1)] as number;
    return LETTERS[String.fromCharCode(letter)];
  }

  markDirectory(index: number): void {
    const start = this.#starts[index] as number;
    this.#segmentOf(start)[start & (SEGMENT_BYTES - 1)] = 0x64;
  }

  /** By four bytes of the names at a time, next to their positions in one array of 64-bit numbers. */
  sort(): void {
    const keys = new BigUint64Array(this.#length);
    const words = new Uint32Array(keys.buffer);
    let index = 0;
    for (const [number, end] of this.#segmentEnds.entries()) {
      for (let at = 0; at < end; index += 1) {
        const start = number * SEGMENT_BYTES + at;
        words[2 * index] = start;
        at += HEAD_BYTES + this.#lengthAt(start);
      }
    }
    this.#sortRange(keys, words, { from: 0, to: this.#length, depth: 0 });
    this.#starts = new Uint32Array(this.#length);
    for (let i = 0; i < this.#length; i += 1) this.#starts[i] = words[2 * i] as number;
  }

  /** Names of the range are alike in their first `depth` bytes. */
  #sortRange(
    keys: BigUint64Array,
    words: Uint32Array,
    { from, to, depth }: { from: number; to: number; depth: number },
  ): void {
    if (to - from < SHORT_RANGE) {
      this.#insertRange(words, from, to);
      return;
    }
    for (let i = from; i < to; i += 1) {
      words[2 * i + 1] = this.#keyAt(words[2 * i] as number, depth);
    }
    keys.subarray(from, to).sort();
    let first = from;
    for (let i = from + 1; i <= to; i += 1) {
      const key = words[2 * first + 1] as number;
      if (i < to && words[2 * i + 1] === key) continue;
      const isAtEnd = (key & 0xff) === 0; // no name has a zero: these are all one name
      if (i - first > 1 && !isAtEnd) {
        this.#sortRange(keys, words, { from: first, to: i, depth: depth + KEY_BYTES });
      }
      first = i;
    }
  }

  #insertRange(words: Uint32Array, from: number, to: number): void {
    for (let i = from + 1; i < to; i += 1) {
      const start = words[2 * i] as number;
      let at = i;
      while (at > from && this.#compare(words[2 * at - 2] as number, start) > 0) {
        words[2 * at] = words[2 * at - 2] as number;
        at -= 1;
      }
      words[2 * at] = start;
    }
  }

  /** The next bytes of a name as a number; zeros after its end. */
  #keyAt(start: number, depth: number): number {
    const segment = this.#segmentOf(start);
    const end = Math.min(this.#lengthAt(start), depth + KEY_BYTES);
    const at = (start & (SEGMENT_BYTES - 1)) + HEAD_BYTES;
    let key = 0;
    for (let i = depth; i < end; i += 1) key = (key << 8) | (segment[at + i] as number);
    return (key << (8 * (KEY_BYTES - Math.max(0, end - depth)))) >>> 0;
  }

  #compare(one: number, other: number): number {
    const [a, b] = [this.#nameAt(one), this.#nameAt(other)];
    return Buffer.compare(a, b);
  }

  #nameAt(start: number): Buffer {
    const at = (start & (SEGMENT_BYTES - 1)) + HEAD_BYTES;
    return this.#segmentOf(start).subarray(at, at + this.#lengthAt(start));
  }

  #lengthAt(start: number): number {
    const segment = this.#segmentOf(start);
    const at = start & (SEGMENT_BYTES - 1);
    return (segment[at + 1] as number) | ((segment[at + 2] as number) << 8);
  }

  #segmentOf(start: number): Buffer {
    return this.#segments[start >>> SEGMENT_BITS] as Buffer;
  }
}
