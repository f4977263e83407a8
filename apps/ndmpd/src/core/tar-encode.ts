// Members of a POSIX pax archive: an extended header for what ustar cannot say (nanoseconds, long or
// unusual names, big numbers, holes), then the ustar header. GNU tar reads every one of them.

import { ACL_XATTRS, aclText } from './posix-acl.ts';

export type MemberType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'char' | 'block';

/** A run of data in a sparse file. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface Member {
  readonly type: MemberType;
  /** Path from the backup root without a leading slash; empty for the root itself. */
  readonly path: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of a regular file as its reader sees it, holes included. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Target of a symlink as stored; of a hard link the path of the member with the data. */
  readonly linkTarget?: Buffer;
  /** Hard links: where in the stream the member with the data starts. */
  readonly linkOffset?: number;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  /** Only for files with holes: what lies between them. */
  readonly extents?: readonly Extent[];
  readonly xattrs?: readonly { readonly name: Buffer; readonly value: Buffer }[];
  /** Directories of incrementals: what they held; see dump-directory.ts. */
  readonly dumpDirectory?: Buffer;
}

export const BLOCK_BYTES = 512;
export const END_OF_ARCHIVE: Buffer = Buffer.alloc(2 * BLOCK_BYTES);
export const DUMP_DIRECTORY_KEY = 'GNU.dumpdir';
export const XATTR_KEY = 'SCHILY.xattr.';
/** Private note in the standard `comment` record, which other readers skip in silence. */
export const LINK_OFFSET_NOTE = 'tapestry.linkoffset=';

/** ASCII digits. */
const TYPE_FLAG: Readonly<Record<MemberType, number>> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
};
const MAGIC = Buffer.from('ustar\x0000', 'latin1');
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const OCTAL_7_MAX = 0o7777777;
const OCTAL_11_MAX = 0o77777777777;
const NS_PER_S = 1_000_000_000n;

/** Zero bytes needed after `size` bytes of data to reach the next block. */
export function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Bytes of file data that follow the headers. */
export function dataBytesOf(member: Member): number {
  if (member.type !== 'file') return 0;
  if (member.extents === undefined) return member.size;
  return member.extents.reduce((sum, extent) => sum + extent.length, 0);
}

/** All header blocks of a member, up to where its data begins; one allocation a member. */
export function encodeMember(member: Member): Buffer {
  const list = member.dumpDirectory;
  if (list !== undefined) {
    const { before, after } = encodeListed(member, list.length);
    return Buffer.concat([before, list, after]);
  }
  const name = storedName(member);
  const map = member.extents === undefined ? undefined : sparseMap(member.extents);
  const size = dataBytesOf(member) + (map?.length ?? 0);
  const records = paxRecords(member, name, size);
  const paxBytes = records.reduce((sum, record) => sum + record.length, 0);
  const paxArea = paxBytes === 0 ? 0 : BLOCK_BYTES + paxBytes + paddingOf(paxBytes);
  const blocks = Buffer.alloc(paxArea + BLOCK_BYTES + (map?.length ?? 0));
  if (paxBytes > 0) writePax(blocks, name, records, paxBytes);
  writeUstar(blocks.subarray(paxArea, paxArea + BLOCK_BYTES), member, name, size);
  map?.copy(blocks, paxArea + BLOCK_BYTES);
  return blocks;
}

/** The header blocks of a directory around the list of what it held, which may be long. */
export function encodeListed(
  member: Member,
  listBytes: number,
): { readonly before: Buffer; readonly after: Buffer } {
  const name = storedName(member);
  const key = Buffer.byteLength(DUMP_DIRECTORY_KEY);
  const start = `${recordBytes(key, listBytes)} ${DUMP_DIRECTORY_KEY}=`;
  const records = [...paxRecords(member, name, 0), Buffer.from(start)];
  const startBytes = records.reduce((sum, record) => sum + record.length, 0);
  const paxBytes = startBytes + listBytes + 1;
  const before = Buffer.alloc(BLOCK_BYTES + startBytes);
  writePax(before, name, records, paxBytes);
  const ustarAt = 1 + paddingOf(paxBytes);
  const after = Buffer.alloc(ustarAt + BLOCK_BYTES);
  after[0] = 0x0a;
  writeUstar(after.subarray(ustarAt), member, name, 0);
  return { before, after };
}

function storedName(member: Member): Buffer {
  if (member.path.length === 0) return Buffer.from('./');
  if (member.extents !== undefined) return sparseName(member.path);
  if (member.type !== 'directory') return member.path;
  return Buffer.concat([member.path, Buffer.from('/')]);
}

/** Readers that know nothing of holes extract the pieces under this name. */
function sparseName(path: Buffer): Buffer {
  const slash = path.lastIndexOf(0x2f);
  const directory = path.subarray(0, slash + 1);
  return Buffer.concat([directory, Buffer.from('GNUSparseFile.0/'), path.subarray(slash + 1)]);
}

function paxRecords(member: Member, name: Buffer, size: number): Buffer[] {
  const records: Buffer[] = [];
  const add = (key: string | Buffer, value: string | Buffer): number =>
    records.push(paxRecord(key, value));
  if (needsPaxName(name)) add('path', name);
  const target = member.linkTarget;
  if (target !== undefined && target.length > NAME_BYTES) add('linkpath', target);
  if (size > OCTAL_11_MAX) add('size', String(size));
  if (member.uid > OCTAL_7_MAX) add('uid', String(member.uid));
  if (member.gid > OCTAL_7_MAX) add('gid', String(member.gid));
  if (!fitsUstarTime(member.mtimeNs)) add('mtime', paxTime(member.mtimeNs));
  if (member.extents !== undefined) {
    add('GNU.sparse.major', '1');
    add('GNU.sparse.minor', '0');
    add('GNU.sparse.name', member.path);
    add('GNU.sparse.realsize', String(member.size));
  }
  for (const { name: key, value } of member.xattrs ?? []) {
    add(Buffer.from(XATTR_KEY + escapeKey(key.toString('latin1')), 'latin1'), value);
    const acl = ACL_XATTRS.find(({ xattr }) => xattr === key.toString('latin1'));
    const text = acl && aclText(value); // for `tar --acls`, which does not look at the attribute
    if (acl !== undefined && text !== undefined) add(acl.key, text);
  }
  if (member.linkOffset !== undefined) add('comment', `${LINK_OFFSET_NOTE}${member.linkOffset}`);
  return records;
}

/** Whole seconds from 1970 into the 23rd century. */
function fitsUstarTime(ns: bigint): boolean {
  return ns % NS_PER_S === 0n && ns >= 0n && ns / NS_PER_S <= BigInt(OCTAL_11_MAX);
}

function needsPaxName(name: Buffer): boolean {
  return name.length > NAME_BYTES && splitUstarName(name) === undefined;
}

/** The slash at which a long name parts into ustar's prefix and name fields. */
function splitUstarName(name: Buffer): number | undefined {
  if (name.length > NAME_BYTES + 1 + PREFIX_BYTES) return undefined;
  const from = Math.max(name.length - NAME_BYTES - 1, 1);
  const slash = name.indexOf(0x2f, from);
  const usable = slash > 0 && slash <= PREFIX_BYTES && slash < name.length - 1;
  return usable ? slash : undefined;
}

/** A key ends at the first "=": GNU tar writes one inside a name as %3D. */
function escapeKey(name: string): string {
  return name.replace(/[%=]/g, (c) => (c === '%' ? '%25' : '%3D'));
}

/** Decimal seconds with nine places; before 1970 the fraction still counts upwards from zero. */
function paxTime(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const absolute = ns < 0n ? -ns : ns;
  const fraction = String(absolute % NS_PER_S).padStart(9, '0');
  return `${sign}${absolute / NS_PER_S}.${fraction}`;
}

/** An extended header member: its own header block, then the records. */
function writePax(blocks: Buffer, name: Buffer, records: readonly Buffer[], bytes: number): void {
  const base = name.subarray(name.lastIndexOf(0x2f, name.length - 2) + 1);
  const labelBytes = blocks.write('PaxHeaders/', 0, 'latin1');
  base.copy(blocks, labelBytes, 0, NAME_BYTES - 1 - labelBytes);
  writeOctal(blocks, 100, 8, 0o644);
  writeOctal(blocks, 108, 8, 0);
  writeOctal(blocks, 116, 8, 0);
  writeOctal(blocks, 124, 12, bytes);
  writeOctal(blocks, 136, 12, 0);
  blocks[156] = 0x78;
  sealBlock(blocks);
  let at = BLOCK_BYTES;
  for (const record of records) at += record.copy(blocks, at);
}

/** "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
function recordBytes(keyBytes: number, valueBytes: number): number {
  const rest = keyBytes + valueBytes + 3;
  const length = rest + String(rest).length;
  return String(length).length > String(rest).length ? rest + String(length).length : length;
}

function paxRecord(key: string | Buffer, value: string | Buffer): Buffer {
  const length = recordBytes(Buffer.byteLength(key), Buffer.byteLength(value));
  if (typeof key === 'string' && typeof value === 'string') {
    return Buffer.from(`${length} ${key}=${value}\n`);
  }
  return Buffer.concat([
    Buffer.from(`${length} `),
    Buffer.from(key),
    Buffer.from('='),
    Buffer.from(value),
    Buffer.from('\n'),
  ]);
}

function writeUstar(block: Buffer, member: Member, name: Buffer, size: number): void {
  const whole = Number(member.mtimeNs / NS_PER_S);
  const seconds = Math.min(Math.max(whole, 0), OCTAL_11_MAX);
  writeUstarFields(block, { member, name, size, seconds });
}

interface UstarFields {
  readonly member: Member;
  readonly name: Buffer;
  readonly size: number;
  readonly seconds: number;
}

/** Fills a block of zeros; what does not fit a field is in an extended header. */
export function writeUstarFields(
  block: Buffer,
  { member, name, size, seconds }: UstarFields,
): void {
  const slash = name.length > NAME_BYTES ? splitUstarName(name) : undefined;
  if (slash === undefined) name.copy(block, 0, 0, NAME_BYTES);
  else {
    name.copy(block, 0, slash + 1);
    name.copy(block, 345, 0, slash);
  }
  writeOctal(block, 100, 8, member.mode & 0o7777);
  writeOctal(block, 108, 8, Math.min(member.uid, OCTAL_7_MAX));
  writeOctal(block, 116, 8, Math.min(member.gid, OCTAL_7_MAX));
  writeOctal(block, 124, 12, size > OCTAL_11_MAX ? 0 : size);
  writeOctal(block, 136, 12, seconds);
  block[156] = TYPE_FLAG[member.type];
  member.linkTarget?.copy(block, 157, 0, NAME_BYTES);
  writeOctal(block, 329, 8, member.deviceMajor ?? 0);
  writeOctal(block, 337, 8, member.deviceMinor ?? 0);
  sealBlock(block);
}

/** Octal digits with leading zeros; the field's last byte stays zero. */
function writeOctal(block: Buffer, at: number, length: number, value: number): void {
  let rest = value;
  let i = at + length - 2;
  for (; i >= at && rest > 0x3fff_ffff; i -= 1) {
    block[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  for (; i >= at; i -= 1) {
    block[i] = 0x30 + (rest & 7); // small enough for integer steps
    rest >>= 3;
  }
}

/** Magic and checksum of the first block, which counts its own field as blanks. */
function sealBlock(block: Buffer): void {
  MAGIC.copy(block, 257);
  let sum = 8 * 0x20 + (block[156] as number);
  for (let i = 100; i < 148; i += 1) sum += block[i] as number;
  for (let i = 257; i < 345; i += 1) sum += block[i] as number;
  // Names and targets are followed by zeros, which need no looking at.
  sum += sumOfText(block, 0, NAME_BYTES) + sumOfText(block, 157, NAME_BYTES);
  sum += sumOfText(block, 345, PREFIX_BYTES);
  writeOctal(block, 148, 7, sum);
  block[155] = 0x20;
}

function sumOfText(block: Buffer, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length && block[i] !== 0; i += 1) sum += block[i] as number;
  return sum;
}

/** GNU.sparse 1.0: count, then offset and length of each extent, one number a line, padded. */
function sparseMap(extents: readonly Extent[]): Buffer {
  const numbers = extents.flatMap(({ offset, length }) => [offset, length]);
  const text = [extents.length, ...numbers].map((n) => `${n}\n`).join('');
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([bytes, Buffer.alloc(paddingOf(bytes.length))]);
}
