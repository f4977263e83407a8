// What the attribute helper found out about names ahead of their turn. Files that it read lie one after the other in a
// memory that both sides know: the kernel's `struct statx`, then the content, up to a multiple of eight. Its answer to
// a group has two lengths for each name, of the content and of the attributes, then all attributes.

import type { ObjectStats } from './entry.ts';

const GROUP_BYTES = 1024 * 1024;
/** One is read here while the helper fills others. */
const GROUPS = 5;
const CONTENT_BYTES_MAX = 64 * 1024;
/** `struct statx` up to the mount's number; what the kernel writes behind it is overwritten. */
const STAT_BYTES = 152;
/** No such thing here: a length that cannot be one. */
const NONE = 0xffff_ffff;

export const AHEAD = {
  groups: GROUPS,
  groupBytes: GROUP_BYTES,
  memoryBytes: GROUPS * GROUP_BYTES,
  contentBytesMax: CONTENT_BYTES_MAX,
  statBytes: STAT_BYTES,
  /** Where a file may begin in its group: the largest one has room there. */
  contentUpTo: GROUP_BYTES - 2 * CONTENT_BYTES_MAX,
  /** Of a group; others must be asked for. */
  xattrBytesMax: 256 * 1024,
  none: NONE,
} as const;

const LENGTHS_BYTES = 8;
/** Mask bit of `stx_mnt_id`. */
const HAS_MOUNT = 0x1000;
const TWO_TO_32 = 2 ** 32;
const NS_PER_S = 1_000_000_000n;

/** What the files of a group take up in the memory. */
export function filesBytesOf(answer: Buffer, names: number): number {
  let bytes = 0;
  for (let i = 0; i < names; i += 1) {
    const size = answer.readUInt32LE(i * LENGTHS_BYTES);
    if (size !== NONE) bytes = endOf(bytes, size);
  }
  return bytes;
}

function endOf(at: number, size: number): number {
  return (at + STAT_BYTES + size + 7) & ~7;
}

/** A group's records, one at a time; each is valid until the next group is there. */
export class AheadRecord {
  /** The files of the group. */
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(GROUP_BYTES);
  readonly #words = new Uint32Array(this.bytes.buffer);
  #answer: Buffer = Buffer.alloc(0);
  #index = 0;
  /** Of its file. */
  #at = 0;
  #xattrsAt = 0;
  #size = NONE;
  #xattrBytes = 0;

  /** Before the first record of a group, whose files are in `bytes`. */
  start(answer: Buffer, names: number): void {
    this.#answer = answer;
    this.#index = -1;
    [this.#at, this.#size] = [0, NONE];
    [this.#xattrsAt, this.#xattrBytes] = [names * LENGTHS_BYTES, 0];
  }

  moveToNext(): void {
    if (this.#size !== NONE) this.#at = endOf(this.#at, this.#size);
    if (this.#xattrBytes !== NONE) this.#xattrsAt += this.#xattrBytes;
    this.#index += 1;
    this.#size = this.#answer.readUInt32LE(this.#index * LENGTHS_BYTES);
    this.#xattrBytes = this.#answer.readUInt32LE(this.#index * LENGTHS_BYTES + 4);
  }

  /** For `reset`. */
  mark(): readonly number[] {
    return [this.#index, this.#at, this.#xattrsAt, this.#size, this.#xattrBytes];
  }

  reset([index = 0, at = 0, xattrsAt = 0, size = 0, xattrBytes = 0]: readonly number[]): void {
    [this.#index, this.#at, this.#xattrsAt] = [index, at, xattrsAt];
    [this.#size, this.#xattrBytes] = [size, xattrBytes];
  }

  /** A small plain file, whole: all the rest says is true of that one. */
  get hasContent(): boolean {
    return this.#size !== NONE;
  }

  get size(): number {
    return this.#size;
  }

  /** In `bytes`. */
  get contentAt(): number {
    return this.#at + STAT_BYTES;
  }

  /** Pairs of counted strings; undefined when there are too many to be here. */
  get xattrs(): Buffer | undefined {
    if (this.#xattrBytes === NONE) return undefined;
    return this.#answer.subarray(this.#xattrsAt, this.#xattrsAt + this.#xattrBytes);
  }

  get hasXattrs(): boolean {
    return this.#xattrBytes !== 0;
  }

  get links(): number {
    return this.#word(16);
  }

  get uid(): number {
    return this.#word(20);
  }

  get gid(): number {
    return this.#word(24);
  }

  /** Permission bits. */
  get mode(): number {
    return this.#word(28) & 0o7777;
  }

  get inode(): bigint {
    return this.#wide(32);
  }

  get inodeLow(): number {
    return this.#word(32);
  }

  get inodeHigh(): number {
    return this.#word(36);
  }

  get atimeSeconds(): number {
    return this.#seconds(64);
  }

  get ctimeSeconds(): number {
    return this.#seconds(96);
  }

  get mtimeSeconds(): number {
    return this.#seconds(112);
  }

  /** Counts upwards, before 1970 as well. */
  get mtimeNanoseconds(): number {
    return this.#word(120);
  }

  /** Of the mount that the file lies on; undefined from kernels that do not tell. */
  get mount(): number | undefined {
    if ((this.#word(0) & HAS_MOUNT) === 0) return undefined;
    return this.#word(144) + this.#word(148) * TWO_TO_32;
  }

  toStats(): ObjectStats {
    return {
      ...{ dev: this.#device(136), ino: this.inode, rdev: 0n },
      ...{ mode: BigInt(this.#word(28) & 0xffff), nlink: BigInt(this.links) },
      ...{ uid: BigInt(this.uid), gid: BigInt(this.gid), size: BigInt(this.size) },
      ...{ atimeNs: this.#timeNs(64), ctimeNs: this.#timeNs(96) },
      mtimeNs: this.#timeNs(112),
    };
  }

  #word(at: number): number {
    return this.#words[(this.#at + at) >> 2] as number;
  }

  #wide(at: number): bigint {
    return (BigInt(this.#word(at + 4)) << 32n) | BigInt(this.#word(at));
  }

  #seconds(at: number): number {
    return (this.#word(at + 4) | 0) * TWO_TO_32 + this.#word(at);
  }

  #timeNs(at: number): bigint {
    return BigInt(this.#seconds(at)) * NS_PER_S + BigInt(this.#word(at + 8));
  }

  /** As `stat` joins the two halves of a device number. */
  #device(at: number): bigint {
    const [major, minor] = [BigInt(this.#word(at)), BigInt(this.#word(at + 4))];
    const low = (minor & 0xffn) | ((major & 0xfffn) << 8n);
    return low | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
  }
}
