// The reading side of a history spool: hands out whole, checked frames and says how the file ends.
// It trusts no length, and a torn tail is an answer, not an error.

import assert from 'node:assert';
import { type FileHandle, open } from 'node:fs/promises';
import { StatusError } from '@tapestry/status';
import {
  FILE_TYPES,
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  type HistoryStat,
  type SpoolCounts,
  UNKNOWN_32,
  UNKNOWN_64,
} from './entry.ts';
import {
  DIR_AT,
  DIR_END,
  FRAME_HEADER_SIZE_BYTES,
  FRAME_KIND,
  FRAME_PAYLOAD_MAX_BYTES,
  frameSum,
  RECORD_HEAD_SIZE_BYTES,
  RECORD_KIND,
  readFrameHeader,
  SPOOL_MAGIC,
  STAT_AT,
  STAT_END,
} from './record.ts';

export interface SpoolEnd {
  /** True when the writer closed the spool: nothing is missing. */
  readonly complete: boolean;
  /** Up to here the file is whole. */
  readonly validBytes: number;
  /** Bytes behind that which are no whole frame: a write that a crash cut off. */
  readonly tornBytes: number;
  /** Records in the whole part. */
  readonly counts: SpoolCounts;
}

/** Where one record lies in a frame's payload. `nameAt`..`endAt` are its name's bytes. */
export interface RecordAt {
  readonly kind: number;
  readonly at: number;
  readonly nameAt: number;
  readonly endAt: number;
}

export type HistoryEntry =
  | { readonly kind: 'file'; readonly file: HistoryFile }
  | { readonly kind: 'dir'; readonly dir: HistoryDir }
  | { readonly kind: 'node'; readonly node: HistoryNode };

/**
 * Calls `onFrame` with the payload of each whole frame of records, in order; the buffer is reused after it
 * returns. Errors: fileOpenFailed, fileReadFailed (not a spool, or a frame whose sum fits and content does not).
 */
export async function scanSpool(
  path: string,
  onFrame: (payload: Buffer, readBytes: number) => void | Promise<void>,
): Promise<SpoolEnd> {
  const file = await open(path, 'r').catch((cause: Error) => {
    throw new StatusError('fileOpenFailed', `${path}: ${cause.message}`, {}, { cause });
  });
  try {
    return await scanFrames(path, file, onFrame);
  } finally {
    await file.close();
  }
}

/** How a spool ends, without its records. */
export function inspectSpool(path: string): Promise<SpoolEnd> {
  return scanSpool(path, () => {});
}

/** All entries of the whole part, for tests and tools; the build reads frames instead. */
export async function readSpool(
  path: string,
  onEntry: (entry: HistoryEntry) => void,
): Promise<SpoolEnd> {
  return await scanSpool(path, (payload) => {
    for (let at = 0; at < payload.length; ) {
      const record = recordAt(payload, at);
      onEntry(decodeRecord(payload, record));
      at = record.endAt;
    }
  });
}

async function scanFrames(
  path: string,
  file: FileHandle,
  onFrame: (payload: Buffer, readBytes: number) => void | Promise<void>,
): Promise<SpoolEnd> {
  const fileSizeBytes = (await file.stat()).size;
  const buffer = Buffer.allocUnsafeSlow(FRAME_HEADER_SIZE_BYTES + FRAME_PAYLOAD_MAX_BYTES);
  let validBytes = await readMagic(path, file, fileSizeBytes);
  const counts = { files: 0, dirs: 0, nodes: 0 };
  let ended = false;
  while (validBytes < fileSizeBytes && !ended) {
    const frame = await readFrame(file, buffer, validBytes);
    if (!frame) break;
    validBytes += FRAME_HEADER_SIZE_BYTES + frame.payload.length;
    if (frame.kind === FRAME_KIND.end) {
      ended = true;
      checkEnd(path, frame.payload, counts);
    } else {
      countRecords(path, frame.payload, counts);
      await onFrame(frame.payload, validBytes);
    }
  }
  const tornBytes = fileSizeBytes - validBytes;
  return { complete: ended && tornBytes === 0, validBytes, tornBytes, counts };
}

/** An empty or shorter file is a spool whose creation was cut off; other bytes are not ours. */
async function readMagic(path: string, file: FileHandle, sizeBytes: number): Promise<number> {
  const start = Buffer.alloc(Math.min(SPOOL_MAGIC.length, sizeBytes));
  await file.read(start, 0, start.length, 0);
  if (!SPOOL_MAGIC.subarray(0, start.length).equals(start)) {
    throw new StatusError('fileReadFailed', `${path} is not a history spool`);
  }
  return start.length === SPOOL_MAGIC.length ? start.length : 0;
}

async function readFrame(
  file: FileHandle,
  buffer: Buffer,
  at: number,
): Promise<{ kind: number; payload: Buffer } | undefined> {
  if (at === 0) return undefined;
  const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
  const header = readFrameHeader(buffer.subarray(0, bytesRead));
  if (!header) return undefined;
  const endAt = FRAME_HEADER_SIZE_BYTES + header.payloadSizeBytes;
  const frame = buffer.subarray(0, endAt);
  if (endAt > bytesRead || frameSum(frame) !== header.sum) return undefined;
  return { kind: header.kind, payload: frame.subarray(FRAME_HEADER_SIZE_BYTES) };
}

function countRecords(
  path: string,
  payload: Buffer,
  counts: { files: number; dirs: number; nodes: number },
): void {
  for (let at = 0; at < payload.length; ) {
    const record = recordAt(payload, at);
    if (record.kind === RECORD_KIND.file) counts.files++;
    else if (record.kind === RECORD_KIND.dir) counts.dirs++;
    else if (record.kind === RECORD_KIND.node) counts.nodes++;
    else throw new StatusError('fileReadFailed', `${path}: record of kind ${record.kind}`);
    at = record.endAt;
  }
}

function checkEnd(path: string, payload: Buffer, counts: SpoolCounts): void {
  const promised = [0, 8, 16].map((at) => Number(payload.readBigUInt64LE(at)));
  const found = [counts.files, counts.dirs, counts.nodes];
  if (promised.some((count, index) => count !== found[index])) {
    throw new StatusError('fileReadFailed', `${path}: ${found} records, its end says ${promised}`);
  }
}

/** Finds the record at `at`. Errors: fileReadFailed when it does not lie within the payload. */
export function recordAt(payload: Buffer, at: number): RecordAt {
  const headEnd = at + RECORD_HEAD_SIZE_BYTES;
  const kind = payload[at] as number;
  const nameAt = at + (kind === RECORD_KIND.dir ? DIR_END : STAT_END);
  const endAt = headEnd <= payload.length ? nameAt + payload.readUInt32LE(at + 4) : Infinity;
  if (endAt > payload.length) {
    throw new StatusError('fileReadFailed', 'a history record does not fit in its frame');
  }
  return { kind, at, nameAt, endAt };
}

function decodeRecord(payload: Buffer, record: RecordAt): HistoryEntry {
  const { kind, at, nameAt, endAt } = record;
  const name = Buffer.from(payload.subarray(nameAt, endAt));
  if (kind === RECORD_KIND.dir) {
    const parent = payload.readBigUInt64LE(at + DIR_AT.parent);
    return { kind: 'dir', dir: { parent, node: payload.readBigUInt64LE(at + DIR_AT.node), name } };
  }
  const stat = decodeStat(payload, at);
  if (kind === RECORD_KIND.file) return { kind: 'file', file: { ...stat, path: name } };
  assert(kind === RECORD_KIND.node);
  return { kind: 'node', node: stat };
}

function decodeStat(payload: Buffer, at: number): HistoryStat {
  const known = (offset: number): number | undefined => {
    const value = payload.readUInt32LE(at + offset);
    return value === UNKNOWN_32 ? undefined : value;
  };
  const fhInfo = payload.readBigUInt64LE(at + STAT_AT.fhInfo);
  return {
    type: FILE_TYPES[payload[at + 1] as number] ?? 'other',
    sizeBytes: payload.readBigUInt64LE(at + STAT_AT.size),
    node: payload.readBigUInt64LE(at + STAT_AT.node),
    fhInfo: fhInfo === UNKNOWN_64 ? undefined : fhInfo,
    mtimeS: known(STAT_AT.mtime),
    atimeS: known(STAT_AT.atime),
    ctimeS: known(STAT_AT.ctime),
    mode: known(STAT_AT.mode),
    uid: known(STAT_AT.uid),
    gid: known(STAT_AT.gid),
    links: known(STAT_AT.links),
  };
}
