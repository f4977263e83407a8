// Which directories a backup saw, each as a fingerprint of its place: its inode and the names and inodes
// above it. An incremental compares: a directory whose fingerprint was not there before is new, renamed
// or moved, and then everything in it counts as changed, whatever its times say. Eight bytes each, so
// that a million directories are eight megabytes.

const FIRST_CAPACITY = 1024;
const ENTRY_BYTES = 8;

/** Collects fingerprints of a running backup. */
export class DirectoryRecord {
  #entries = new BigUint64Array(FIRST_CAPACITY);
  #count = 0;

  add(entry: bigint): void {
    if (this.#count === this.#entries.length) {
      const grown = new BigUint64Array(this.#entries.length * 2);
      grown.set(this.#entries);
      this.#entries = grown;
    }
    this.#entries[this.#count] = entry;
    this.#count += 1;
  }

  /** To be kept with the dump date. */
  toBytes(): Uint8Array {
    const sorted = this.#entries.slice(0, this.#count).sort();
    return new Uint8Array(sorted.buffer);
  }
}

/** The fingerprints of an earlier backup. */
export class DirectorySet {
  readonly #entries: BigUint64Array;

  constructor(bytes: Uint8Array) {
    const whole = bytes.slice(0, bytes.length - (bytes.length % ENTRY_BYTES));
    this.#entries = new BigUint64Array(whole.buffer, 0, whole.length / ENTRY_BYTES);
  }

  has(entry: bigint): boolean {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as bigint) < entry) low = middle + 1;
      else high = middle;
    }
    return this.#entries[low] === entry;
  }
}
