// The headers of an ordinary member, written straight into a buffer: most members of a tree differ in
// name, size, owner and time alone. The bytes are those that tar-encode.ts would make, but for the name
// of the extended header, which readers pass over.

import { BLOCK_BYTES, encodeMember, type Member, writeUstarFields } from './tar-encode.ts';

const NAME_BYTES_MAX = 99;
const OCTAL_7_MAX = 0o7777777;
const OCTAL_11_MAX = 0o77777777777;
const SECONDS_MIN = 1_000_000_000;
const SECONDS_MAX = 9_999_999_999;
const NS_PER_S = 1_000_000_000n;
/** What a plain member needs: extended header, its one record, the member's own header. */
export const PLAIN_BYTES: number = 3 * BLOCK_BYTES;

/** A member that has just the record for its time, of ten digits and nine. */
const TEMPLATE: Buffer = encodeMember({
  ...{ type: 'file', path: Buffer.from('mtime'), mode: 0, uid: 0, gid: 0, size: 0 },
  mtimeNs: BigInt(SECONDS_MIN) * NS_PER_S + 1n,
});
const SECONDS_AT = TEMPLATE.indexOf('mtime=') + 'mtime='.length;
const FRACTION_AT = SECONDS_AT + 11;

/** False, with nothing written, for a member that needs more; `into` has room for PLAIN_BYTES. */
export function encodePlain(into: Buffer, member: Member): boolean {
  const { path, mtimeNs } = member;
  if (member.type !== 'file' || path.length === 0 || path.length > NAME_BYTES_MAX) return false;
  if (member.extents !== undefined || (member.xattrs?.length ?? 0) > 0) return false;
  if (member.uid > OCTAL_7_MAX || member.gid > OCTAL_7_MAX || member.size > OCTAL_11_MAX)
    return false;
  const seconds = Number(mtimeNs / NS_PER_S);
  const fraction = Number(mtimeNs % NS_PER_S);
  if (fraction === 0 || seconds < SECONDS_MIN || seconds > SECONDS_MAX) return false;
  TEMPLATE.copy(into);
  writeDecimal(into, SECONDS_AT, 10, seconds);
  writeDecimal(into, FRACTION_AT, 9, fraction);
  const block = into.subarray(2 * BLOCK_BYTES, PLAIN_BYTES);
  block.fill(0);
  writeUstarFields(block, { member, name: path, size: member.size, seconds });
  return true;
}

function writeDecimal(block: Buffer, at: number, length: number, value: number): void {
  let rest = value;
  for (let i = at + length - 1; i >= at; i -= 1) {
    const next = Math.floor(rest / 10);
    block[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
}
