// Which directories a backup saw, each as a fingerprint of its place: its inode and the names and inodes
// above it. An incremental compares: a directory whose fingerprint was not there before is new, renamed
// or moved, and then everything in it counts as changed, whatever its times say. Eight bytes each, so
// that a million directories are eight megabytes.

const PIECE_ENTRIES = 16_384;
const ENTRY_BYTES = 8;

/** Collects fingerprints of a running backup, in pieces, so that growing needs no room of its own. */
export class DirectoryRecord {
  #full: BigUint64Array[] = [];
  #last = new BigUint64Array(PIECE_ENTRIES);
  #inLast = 0;

  add(entry: bigint): void {
    if (this.#inLast === PIECE_ENTRIES) {
      this.#full.push(this.#last);
      this.#last = new BigUint64Array(PIECE_ENTRIES);
      this.#inLast = 0;
    }
    this.#last[this.#inLast] = entry;
    this.#inLast += 1;
  }

  /** To be kept with the dump date. */
  toBytes(): Uint8Array {
    const all = new BigUint64Array(this.#full.length * PIECE_ENTRIES + this.#inLast);
    for (const [i, piece] of this.#full.entries()) all.set(piece, i * PIECE_ENTRIES);
    all.set(this.#last.subarray(0, this.#inLast), this.#full.length * PIECE_ENTRIES);
    return new Uint8Array(all.sort().buffer);
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
