// Finds the fragments on a tape and reads their streams, checking every sum, count and digest on the way.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { readBlock, TapeError, type TapeObject } from './cartridge.ts';
import { HEADER, type Message, readMessage, TRAILER } from './wire.ts';

const PROLOGUE = 64;
const TAG = 16;
const TYPE = { data: 1, final: 2, header: 16, trailer: 17 } as const;
const LAYOUT_MOVER = 2;
export const STREAM_END = 1;
export const ABORTED = 4;

export interface Fragment {
  readonly backupId: string;
  readonly copy: number;
  readonly number: number;
  readonly stream: number;
  readonly begin: bigint;
  readonly encrypted: boolean;
  readonly client: string;
  readonly policy: string;
  readonly path: string;
  readonly mediaId: string;
  readonly file: number;
  readonly mover: boolean;
  readonly blockSize: number;
  readonly writtenMs: bigint;
  readonly segment: Buffer;
  readonly headerCrc: number;
  /** What follows the header: data blocks, and the trailer block where the fragment was closed. */
  readonly data: readonly TapeObject[];
  readonly trailerAt: TapeObject | undefined;
}

interface Block {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
  readonly index: bigint;
  readonly offset: bigint;
  readonly segment: Buffer;
  readonly crc: number;
}

/** Splits the tape at its filemarks. */
export function tapeFiles(objects: readonly TapeObject[]): TapeObject[][] {
  const files: TapeObject[][] = [[]];
  for (const object of objects) {
    if (object.mark) files.push([]);
    else files.at(-1)?.push(object);
  }
  return files;
}

/** The volume's media id and pool. */
export function readLabel(files: readonly TapeObject[][]): { mediaId: string; pool: string } {
  const [first, second] = files[0] ?? [];
  const vol1 = first ? readBlock(first).toString('latin1') : '';
  const uvl1 = second ? readBlock(second).toString('latin1') : '';
  if (!vol1.startsWith('VOL1') || vol1.slice(24, 32) !== 'TAPESTRY' || !uvl1.startsWith('UVL1')) {
    throw new TapeError('the tape has no label of this format');
  }
  return { mediaId: vol1.slice(4, 10).trim(), pool: uvl1.slice(22, 54).trim() };
}

/** One entry for each stream of each fragment. A fragment that was never closed has no trailer. */
export function findFragments(files: readonly TapeObject[][]): Fragment[] {
  const found: Fragment[] = [];
  for (let i = 1; i < files.length; i++) {
    const [headerAt, ...rest] = files[i] as TapeObject[];
    const header = headerAt && openBlock(readBlock(headerAt));
    if (header?.type !== TYPE.header) continue;
    const message = readMessage(header.payload, HEADER);
    if (message.version !== 1) throw new TapeError(`file ${i}: format version ${message.version}`);
    const mover = message.layout === LAYOUT_MOVER;
    // A mover's records have a tape file of their own, and so has the trailer behind them.
    const data = mover ? (files[i + 1] ?? []) : rest.slice(0, -1);
    const trailerAt = mover ? files[i + 2]?.[0] : rest.at(-1);
    if (mover) i += 2;
    for (const stream of message.streams as Message[]) {
      found.push(describe(message, stream, { mover, header, data, trailerAt }));
    }
  }
  return found;
}

function describe(
  message: Message,
  stream: Message,
  parts: Pick<Fragment, 'mover' | 'data' | 'trailerAt'> & { header: Block },
): Fragment {
  const image = stream.image as Message;
  return {
    backupId: image.backupId as string,
    client: image.client as string,
    policy: image.policy as string,
    path: image.backupPath as string,
    copy: stream.copy as number,
    number: stream.fragment as number,
    stream: stream.stream as number,
    begin: stream.begin as bigint,
    encrypted: ((stream.encryption as Message | undefined)?.cipher ?? 0) !== 0,
    mediaId: message.mediaId as string,
    file: message.file as number,
    blockSize: message.blockSize as number,
    writtenMs: message.writtenMs as bigint,
    segment: parts.header.segment,
    headerCrc: parts.header.crc,
    mover: parts.mover,
    data: parts.data,
    trailerAt: parts.trailerAt,
  };
}

/** What the trailer says, once everything that it covers was read. */
export interface FragmentEnd {
  readonly end: bigint;
  readonly endReason: number;
}

/** Reads a whole fragment and hands over the payloads of one stream. Throws TapeError at the first thing wrong. */
export function readFragment(fragment: Fragment, write: (bytes: Buffer) => void): FragmentEnd {
  const where = `${fragment.mediaId} file ${fragment.file}`;
  const trailer = fragment.trailerAt && openBlock(readBlock(fragment.trailerAt));
  if (trailer?.type !== TYPE.trailer || !trailer.segment.equals(fragment.segment)) {
    throw new TapeError(`${where}: the fragment was never closed`);
  }
  const message = readMessage(trailer.payload, TRAILER);
  const ends = message.streams as Message[];
  const own = ends.find((entry) => entry.stream === fragment.stream) ?? {};
  const end = own.end as bigint;
  if (message.dataBlocks !== BigInt(fragment.data.length)) {
    throw new TapeError(`${where}: ${fragment.data.length} blocks, not ${message.dataBlocks}`);
  }
  const digest = createHash('sha256').update(crcBytes(fragment.headerCrc));
  const reached = fragment.mover
    ? copyRecords(fragment, end, write)
    : copyBlocks(fragment, where, write, (crc) => digest.update(crcBytes(crc)));
  if (own.index !== undefined) checkIndex(fragment, where, end, own.index as Message);
  if (reached !== end) throw new TapeError(`${where}: the stream ends at ${reached}, not ${end}`);
  if (!digest.digest().equals(message.digest as Buffer)) {
    throw new TapeError(`${where}: the digest does not agree`);
  }
  return { end, endReason: (own.endReason as number) || (message.endReason as number) };
}

/** Each entry of a multiplexed fragment's index must name the block that holds its byte. */
function checkIndex(fragment: Fragment, where: string, end: bigint, index: Message): void {
  const step = index.step as bigint;
  const blocks = index.blocks as bigint[];
  const entries = step === 0n ? 0n : (end - fragment.begin + step - 1n) / step;
  if (BigInt(blocks.length) !== entries) throw new TapeError(`${where}: the index is not whole`);
  for (const [entry, number] of blocks.entries()) {
    const object = fragment.data[Number(number)];
    const block = object && openBlock(readBlock(object));
    const byte = fragment.begin + BigInt(entry) * step;
    const holds =
      block?.stream === fragment.stream &&
      block.offset <= byte &&
      byte < block.offset + BigInt(block.payload.length);
    if (!holds) throw new TapeError(`${where}: the index does not lead to stream byte ${byte}`);
  }
}

function copyBlocks(
  fragment: Fragment,
  where: string,
  write: (bytes: Buffer) => void,
  count: (crc: number) => void,
): bigint {
  const next = new Map<number, bigint>();
  let offset = fragment.begin;
  for (const object of fragment.data) {
    const block = openBlock(readBlock(object));
    const index = next.get(block.stream) ?? 0n;
    const known = block.type === TYPE.data || block.type === TYPE.final;
    if (!known || block.index !== index || !block.segment.equals(fragment.segment)) {
      throw new TapeError(`${where}: block ${block.index} is out of place`);
    }
    next.set(block.stream, index + 1n);
    count(block.crc);
    if (block.stream !== fragment.stream) continue;
    if (block.offset !== offset) throw new TapeError(`${where}: a gap at stream byte ${offset}`);
    offset += BigInt(block.payload.length);
    write(block.payload);
  }
  return offset;
}

/** The last record of a mover is padded: the stream's length says where it ends. */
function copyRecords(fragment: Fragment, end: bigint, write: (bytes: Buffer) => void): bigint {
  let offset = fragment.begin;
  for (const object of fragment.data) {
    const record = readBlock(object);
    const left = end - offset;
    const bytes = left < BigInt(record.length) ? record.subarray(0, Number(left)) : record;
    offset += BigInt(bytes.length);
    write(bytes);
  }
  return offset;
}

function openBlock(block: Buffer): Block {
  const ours = block.length >= PROLOGUE + TAG && block.toString('latin1', 0, 8) === 'TPSTRYB1';
  if (!ours || block.readUInt32BE(28) !== block.length) {
    throw new TapeError('a block is not of this format');
  }
  const crc = block.readUInt32BE(24);
  const zero = Buffer.alloc(4);
  const sum = crc32(block.subarray(28), crc32(zero, crc32(block.subarray(0, 24))));
  if (sum !== crc) throw new TapeError('a block is damaged');
  return {
    segment: block.subarray(8, 24),
    crc,
    type: block.readUInt8(32),
    stream: block.readUIntBE(33, 3),
    payload: block.subarray(PROLOGUE, PROLOGUE + block.readUInt32BE(36)),
    index: block.readBigUInt64BE(40),
    offset: block.readBigUInt64BE(56),
  };
}

function crcBytes(crc: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes;
}
