// Files that have more names to come, by inode: two numbers for each, in 16 bytes of a typed array. It is
// cut into parts that grow by themselves, so that growing never takes much room at once.

const PARTS = 64;
const FIRST_CAPACITY = 8;
/** A part this full grows. */
const LOAD_MAX = 0.85;
const GROWTH = 1.5;
/** Words of a slot: inode (low, high), value, names left with the mark; no names left is an empty slot. */
const WORDS = 4;
const MARK = 0x8000_0000;
const NAMES_MAX = 0x7fff_ffff;

export interface LinkEntry {
  /** Unsigned, 32 bits. */
  readonly value: number;
  readonly isMarked: boolean;
  /** At least one. */
  readonly namesLeft: number;
}

export class LinkTable {
  readonly #parts: Part[] = Array.from({ length: PARTS }, () => new Part());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(inode: bigint): LinkEntry | undefined {
    const key = keyOf(inode);
    return this.#partOf(key).get(key);
  }

  /** Adds the entry, or takes the place of the one that is there. */
  set(inode: bigint, entry: LinkEntry): void {
    const key = keyOf(inode);
    if (this.#partOf(key).set(key, entry)) this.#size += 1;
  }

  delete(inode: bigint): void {
    const key = keyOf(inode);
    if (this.#partOf(key).delete(key)) this.#size -= 1;
  }

  #partOf({ hash }: Key): Part {
    return this.#parts[hash % PARTS] as Part;
  }
}

interface Key {
  readonly low: number;
  readonly high: number;
  readonly hash: number;
}

function keyOf(inode: bigint): Key {
  const low = Number(inode & 0xffff_ffffn);
  const high = Number((inode >> 32n) & 0xffff_ffffn);
  let hash = Math.imul(low ^ (low >>> 16), 0x85eb_ca6b) ^ Math.imul(high, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 13), 0x27d4_eb2f);
  return { low, high, hash: (hash ^ (hash >>> 15)) >>> 0 };
}

/** Open addressing: an entry lies at its own slot or after it, with no empty slot between. */
class Part {
  #capacity = FIRST_CAPACITY;
  #words = new Uint32Array(FIRST_CAPACITY * WORDS);
  #size = 0;

  get(key: Key): LinkEntry | undefined {
    const at = this.#find(key) * WORDS;
    const names = this.#words[at + 3] as number;
    if (names === 0) return undefined;
    const isMarked = (names & MARK) !== 0;
    return { value: this.#words[at + 2] as number, isMarked, namesLeft: names & NAMES_MAX };
  }

  /** True when it was not there. */
  set(key: Key, { value, isMarked, namesLeft }: LinkEntry): boolean {
    if (this.#size + 1 > this.#capacity * LOAD_MAX) this.#grow();
    const at = this.#find(key) * WORDS;
    const isNew = this.#words[at + 3] === 0;
    const names = Math.min(namesLeft, NAMES_MAX) + (isMarked ? MARK : 0);
    this.#words.set([key.low, key.high, value, names], at);
    if (isNew) this.#size += 1;
    return isNew;
  }

  /** True when it was there. Entries after it move up where their own slots allow it. */
  delete(key: Key): boolean {
    let hole = this.#find(key);
    if (this.#isEmpty(hole)) return false;
    for (let slot = this.#after(hole); !this.#isEmpty(slot); slot = this.#after(slot)) {
      const distance = (slot - this.#homeOf(slot) + this.#capacity) % this.#capacity;
      const gap = (slot - hole + this.#capacity) % this.#capacity;
      if (distance < gap) continue;
      this.#words.copyWithin(hole * WORDS, slot * WORDS, (slot + 1) * WORDS);
      hole = slot;
    }
    this.#words[hole * WORDS + 3] = 0;
    this.#size -= 1;
    return true;
  }

  /** Its slot, or the empty one where it would go. */
  #find({ low, high, hash }: Key): number {
    let slot = this.#slotOf(hash);
    while (!this.#isEmpty(slot)) {
      const at = slot * WORDS;
      if (this.#words[at] === low && this.#words[at + 1] === high) break;
      slot = this.#after(slot);
    }
    return slot;
  }

  #homeOf(slot: number): number {
    const at = slot * WORDS;
    const inode =
      (BigInt(this.#words[at + 1] as number) << 32n) | BigInt(this.#words[at] as number);
    return this.#slotOf(keyOf(inode).hash);
  }

  #slotOf(hash: number): number {
    return Math.floor(hash / PARTS) % this.#capacity;
  }

  #after(slot: number): number {
    return slot + 1 === this.#capacity ? 0 : slot + 1;
  }

  #isEmpty(slot: number): boolean {
    return this.#words[slot * WORDS + 3] === 0;
  }

  #grow(): void {
    const old = this.#words;
    this.#capacity = Math.ceil(this.#capacity * GROWTH);
    this.#words = new Uint32Array(this.#capacity * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 3] === 0) continue;
      const inode = (BigInt(old[at + 1] as number) << 32n) | BigInt(old[at] as number);
      this.#words.set(old.subarray(at, at + WORDS), this.#find(keyOf(inode)) * WORDS);
    }
  }
}
