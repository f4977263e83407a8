// Makes up message bodies: a reader that answers a codec's questions from a supply of numbers instead
// of from a record. So every row of the catalogue is its own generator, and stays one when it changes.

import { XdrError, type XdrReader } from './xdr.ts';

/** Numbers that decide what is made up: fast-check's, or a seeded generator's. */
export interface Entropy {
  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number;
}

/** A supply that ends: zeros follow, so that a shorter list of numbers is a simpler body. */
export class ListEntropy implements Entropy {
  readonly #words: readonly number[];
  #at = 0;

  constructor(words: readonly number[]) {
    this.#words = words;
  }

  below(limit: number): number {
    const word = this.#words[this.#at] ?? 0;
    this.#at += 1;
    return word % limit;
  }
}

/** mulberry32: small, fast, and the same everywhere. */
export class SeededEntropy implements Entropy {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }
}

const EDGES = [0, 1, 2, 3, 4, 5, 7, 8, 255, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const ELEMENTS_MAX = 3;
const BYTES_MAX = 12;

class EntropyReader {
  readonly #entropy: Entropy;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** Optional fields at the end of a body are there half of the time. */
  get remaining(): number {
    return this.#entropy.below(2) === 0 ? 0 : 1024;
  }

  u32(): number {
    if (this.#entropy.below(4) === 0) return this.#entropy.below(2 ** 32);
    return EDGES[this.#entropy.below(EDGES.length)] ?? 0;
  }

  /** Mostly a value that an enumeration may have, so that unions take their arms. */
  i32(): number {
    return this.#entropy.below(8) === 0 ? this.u32() | 0 : this.#entropy.below(5);
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  fixed(length: number): Buffer {
    if (length > 1024) throw new XdrError('too long to make up');
    return Buffer.from(Array.from({ length }, () => this.#entropy.below(256)));
  }

  opaque(): Buffer {
    return this.fixed(this.#entropy.below(BYTES_MAX));
  }

  text(): string {
    const letters = ['/', 'a', 'ü', '\udcff', 'y', '1'];
    const length = this.#entropy.below(BYTES_MAX);
    return Array.from({ length }, () => letters[this.#entropy.below(letters.length)]).join('');
  }

  count(): number {
    return this.#entropy.below(ELEMENTS_MAX + 1);
  }

  skip(): void {}
}

/** A reader for any codec; what it decodes is a valid value of that codec. */
export function entropyReader(entropy: Entropy): XdrReader {
  return new EntropyReader(entropy) as unknown as XdrReader;
}
