// The headers of an ordinary file, written straight into a buffer: most members of a tree differ in name, size and
// times alone. The bytes are those that tar-encode.ts would make, but for the name of the extended header, which
// readers pass over.

import { BLOCK_BYTES, encodeMember, type Member } from './tar-encode.ts';

const NAME_BYTES_MAX = 99;
const OCTAL_7_MAX = 0o7777777;
const OCTAL_11_MAX = 0o77777777777;
const SECONDS_MIN = 1_000_000_000;
const SECONDS_MAX = OCTAL_11_MAX;
const NS_PER_S = 1_000_000_000n;
/** Extended header, its one record, the member's own header; that one alone where a time has no fraction. */
export const PLAIN_BYTES_MAX: number = 3 * BLOCK_BYTES;

const HEADER_AT = 2 * BLOCK_BYTES;
const [MODE_AT, UID_AT, GID_AT, SIZE_AT, MTIME_AT, SUM_AT] = [100, 108, 116, 124, 136, 148];
const ZERO = 0x30;
const SLASH = 0x2f;

/** A member that has just the record for its time, of ten digits and nine. */
const TEMPLATE: Buffer = encodeMember({
  ...{ type: 'file', path: Buffer.from('mtime'), mode: 0, uid: 0, gid: 0, size: 0 },
  mtimeNs: BigInt(SECONDS_MIN) * NS_PER_S + 1n,
});
const SECONDS_AT = TEMPLATE.indexOf('mtime=') + 'mtime='.length;
const FRACTION_AT = SECONDS_AT + 11;

export interface PlainMember {
  /** Of its directory; empty for the root's, or when `name` is the whole path. */
  readonly directory: Buffer;
  /** One character a byte. */
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
}

/** Remembers what one header has in common with the next. */
export class PlainHeaders {
  /** With the mode and the owner of the last member. */
  readonly #template: Buffer = Buffer.from(TEMPLATE);
  #mode = -1;
  #uid = -1;
  #gid = -1;
  /** Over the template's header, name, size and time left out. */
  #sum = 0;

  /** Bytes written; 0, with nothing of use written, for a member that needs more. `into` has room for PLAIN_BYTES_MAX. */
  write(into: Buffer, member: PlainMember): number {
    const { directory, name, mtimeSeconds, mtimeNanoseconds } = member;
    const prefixBytes = directory.length === 0 ? 0 : directory.length + 1;
    if (prefixBytes + name.length > NAME_BYTES_MAX) return 0;
    if (member.uid > OCTAL_7_MAX || member.gid > OCTAL_7_MAX || member.size > OCTAL_11_MAX)
      return 0;
    if (mtimeSeconds < SECONDS_MIN || mtimeSeconds > SECONDS_MAX) return 0;
    this.#adapt(member);
    const isExact = mtimeNanoseconds === 0;
    const at = isExact ? 0 : HEADER_AT;
    this.#template.copy(into, 0, isExact ? HEADER_AT : 0);
    if (!isExact) {
      writeDecimal(into, SECONDS_AT, 10, mtimeSeconds);
      writeDecimal(into, FRACTION_AT, 9, mtimeNanoseconds);
    }
    let sum = this.#sum;
    if (prefixBytes > 0) {
      directory.copy(into, at);
      into[at + prefixBytes - 1] = SLASH;
    }
    into.write(name, at + prefixBytes, 'latin1');
    for (let i = at + prefixBytes + name.length - 1; i >= at; i -= 1) sum += into[i] as number;
    sum += writeOctal(into, at + SIZE_AT, 11, member.size);
    sum += writeOctal(into, at + MTIME_AT, 11, mtimeSeconds);
    writeOctal(into, at + SUM_AT, 6, sum);
    return at + BLOCK_BYTES;
  }

  #adapt({ mode, uid, gid }: PlainMember): void {
    if (mode === this.#mode && uid === this.#uid && gid === this.#gid) return;
    [this.#mode, this.#uid, this.#gid] = [mode, uid, gid];
    const header = this.#template.subarray(HEADER_AT);
    header.fill(0, 0, MODE_AT);
    writeOctal(header, MODE_AT, 7, mode);
    writeOctal(header, UID_AT, 7, uid);
    writeOctal(header, GID_AT, 7, gid);
    header.fill(0, SIZE_AT, SUM_AT);
    // The sum counts its own field as blanks.
    this.#sum = 8 * 0x20;
    for (let i = 0; i < BLOCK_BYTES; i += 1) {
      if (i < SUM_AT || i >= SUM_AT + 8) this.#sum += header[i] as number;
    }
  }
}

/** The member as one for `write`; undefined when it is not just a file. */
export function plainMemberOf(member: Member): PlainMember | undefined {
  const { path, mode, uid, gid, size, mtimeNs } = member;
  if (member.type !== 'file' || path.length === 0) return undefined;
  if (member.extents !== undefined || (member.xattrs?.length ?? 0) > 0 || mtimeNs < 0n)
    return undefined;
  const time = {
    mtimeSeconds: Number(mtimeNs / NS_PER_S),
    mtimeNanoseconds: Number(mtimeNs % NS_PER_S),
  };
  const name = path.length > NAME_BYTES_MAX ? '' : path.toString('latin1');
  if (name === '') return undefined;
  return { directory: NO_PATH, name, mode: mode & 0o7777, uid, gid, size, ...time };
}

const NO_PATH: Buffer = Buffer.alloc(0);

function writeDecimal(block: Buffer, at: number, length: number, value: number): void {
  let rest = value;
  for (let i = at + length - 1; i >= at; i -= 1) {
    const next = Math.floor(rest / 10);
    block[i] = ZERO + (rest - next * 10);
    rest = next;
  }
}

/** So many digits, with leading zeros; returns the sum of the bytes. */
function writeOctal(block: Buffer, at: number, digits: number, value: number): number {
  let sum = digits * ZERO;
  let rest = value;
  let i = at + digits - 1;
  for (; i >= at && rest > 0x3fff_ffff; i -= 1) {
    const next = Math.floor(rest / 8);
    block[i] = ZERO + (rest - next * 8);
    sum += rest - next * 8;
    rest = next;
  }
  for (; i >= at; i -= 1) {
    const digit = rest & 7; // small enough for integer steps
    block[i] = ZERO + digit;
    sum += digit;
    rest >>= 3;
  }
  return sum;
}
