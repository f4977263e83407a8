// Appends records to one new segment file that nobody else ever writes. Headers and payloads go out in one gather write,
// nothing is copied; the file's end moves only when a record is there in full.

import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  rmSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { crc32 } from 'node:zlib';
import { StatusError } from '@tapestry/status';
import type { WriteBlock } from '../drive.ts';
import {
  ALIGN_BYTES,
  encodeHeader,
  encodeSegmentStart,
  HEADER_BYTES,
  RECORD_TYPE,
  SEGMENT_START_BYTES,
  type SegmentStart,
  storedBytes,
} from './record-header.ts';

/** One gather write: few enough buffers for one system call. */
const BATCH_RECORDS = 256;
/** Written data is flushed in the background from here on, so that the flush at a filemark is short … */
const BACKGROUND_FLUSH_BYTES = 256 * 1024 * 1024;
/** … and in the foreground from here on, so that a slow disk never hides behind the page cache. */
const FORCED_FLUSH_BYTES = 1024 * 1024 * 1024;

const PADDING = Buffer.alloc(ALIGN_BYTES);

/** A record to append: a block with its length, or a filemark. */
export type NewRecord = { readonly block: WriteBlock; readonly bytes: number } | 'filemark';

export interface AppendResult {
  /** Records that are in the file in full. */
  readonly written: number;
  /** The host has no room for more. */
  readonly full: boolean;
}

/** The system call that writes, to be replaced by tests that play a full or failing disk. */
export type GatherWrite = (fd: number, buffers: readonly Uint8Array[], position: number) => number;

const gatherWrite: GatherWrite = (fd, buffers, position) =>
  writevSync(fd, buffers as Uint8Array[], position);

export class SegmentWriter {
  readonly start: SegmentStart;
  readonly #fd: number;
  /** A description of its own: each one learns of a failed write-back once, and #fd must not miss it. */
  readonly #flushFd: number;
  readonly #write: GatherWrite;
  readonly #headers = Buffer.alloc(BATCH_RECORDS * HEADER_BYTES);
  readonly #cartridgeTag: Uint8Array;
  #bytes = SEGMENT_START_BYTES;
  #lastOffset = 0;
  #lastCrc: number;
  #unflushedBytes = 0;
  #flushing = false;
  #closeAfterFlush = false;
  #flushError: Error | null = null;

  /** Makes the file; its first record is on the disk when this returns, its name when the caller syncs the folder. */
  constructor(path: string, start: SegmentStart, write: GatherWrite = gatherWrite) {
    this.start = start;
    this.#write = write;
    this.#cartridgeTag = start.uuid.subarray(0, 8);
    const { bytes, crc } = encodeSegmentStart(start);
    this.#lastCrc = crc;
    this.#fd = openSync(path, 'wx', 0o640);
    try {
      if (writeSync(this.#fd, bytes, 0, bytes.length, 0) !== bytes.length) throw noSpace();
      fdatasyncSync(this.#fd);
      this.#flushFd = openSync(path, 'r');
    } catch (error) {
      closeSync(this.#fd);
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** Offset at which the next record goes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends records, numbered from `object` with `file` filemarks before. A failing disk throws `mediaWriteError`, and
   * `confirm` was called for what is in the file: it gets each record's offset.
   */
  append(
    records: readonly NewRecord[],
    from: { readonly object: number; readonly file: number },
    confirm: (record: NewRecord, offset: number) => void,
  ): AppendResult {
    this.#throwFlushError();
    let { object, file } = from;
    for (let at = 0; at < records.length; at += BATCH_RECORDS) {
      const batch = records.slice(at, at + BATCH_RECORDS);
      const crcs = this.#encode(batch, object, file);
      const written = this.#writeBatch(batch, (record, i) => {
        confirm(record, this.#lastOffset);
        this.#lastCrc = crcs[i] as number;
        object += 1;
        if (record === 'filemark') file += 1;
      });
      if (written < batch.length) return { written: at + written, full: true };
    }
    this.#flushInBackground();
    return { written: records.length, full: false };
  }

  /** Fills the headers of a batch; answers their checksums. */
  #encode(batch: readonly NewRecord[], firstObject: number, firstFile: number): number[] {
    let file = firstFile;
    let offset = this.#bytes;
    let previousOffset = this.#lastOffset;
    let previousCrc = this.#lastCrc;
    return batch.map((record, i) => {
      const mark = record === 'filemark';
      const payloadBytes = mark ? 0 : record.bytes;
      previousCrc = encodeHeader(this.#headers, i * HEADER_BYTES, {
        type: mark ? RECORD_TYPE.filemark : RECORD_TYPE.data,
        object: firstObject + i,
        file,
        payloadBytes,
        payloadCrc: mark ? 0 : payloadCrc(record.block),
        generation: this.start.generation,
        previousOffset,
        cartridgeTag: this.#cartridgeTag,
        previousCrc,
      });
      previousOffset = offset;
      offset += storedBytes(payloadBytes);
      if (mark) file += 1;
      return previousCrc;
    });
  }

  #writeBatch(
    batch: readonly NewRecord[],
    confirm: (record: NewRecord, index: number) => void,
  ): number {
    const buffers: Uint8Array[] = [];
    batch.forEach((record, i) => {
      buffers.push(this.#headers.subarray(i * HEADER_BYTES, (i + 1) * HEADER_BYTES));
      if (record === 'filemark') return;
      buffers.push(...record.block.parts);
      const pad = storedBytes(record.bytes) - HEADER_BYTES - record.bytes;
      if (pad > 0) buffers.push(PADDING.subarray(0, pad));
    });
    const { bytes, error } = this.#writeAll(buffers);
    let end = this.#bytes;
    let written = 0;
    for (const record of batch) {
      const size = storedBytes(record === 'filemark' ? 0 : record.bytes);
      if (end + size > this.#bytes + bytes) break;
      end += size;
      written += 1;
    }
    for (let i = 0; i < written; i++) {
      const record = batch[i] as NewRecord;
      this.#lastOffset = this.#bytes;
      this.#bytes += storedBytes(record === 'filemark' ? 0 : record.bytes);
      confirm(record, i);
    }
    this.#unflushedBytes += bytes;
    if (error) this.#giveUpTail(error);
    return written;
  }

  /** Writes until done or until the disk refuses; what it refused with is an answer here. */
  #writeAll(buffers: Uint8Array[]): { bytes: number; error: Error | null } {
    let bytes = 0;
    let rest = buffers;
    while (rest.length > 0) {
      let got: number;
      try {
        got = this.#write(this.#fd, rest, this.#bytes + bytes);
      } catch (error) {
        return { bytes, error: error as Error };
      }
      if (got === 0) return { bytes, error: noSpace() };
      bytes += got;
      rest = skipBytes(rest, got);
    }
    return { bytes, error: null };
  }

  /** Removes the torn record and throws, except where the disk is just full. */
  #giveUpTail(error: Error): void {
    try {
      ftruncateSync(this.#fd, this.#bytes);
    } catch {
      // The torn record stays; it is not intact, so the tape ends before it all the same.
    }
    if (!isDiskFull(error)) {
      throw new StatusError('mediaWriteError', error.message, {}, { cause: error });
    }
  }

  #flushInBackground(): void {
    if (this.#unflushedBytes >= FORCED_FLUSH_BYTES) this.flush();
    if (this.#unflushedBytes < BACKGROUND_FLUSH_BYTES || this.#flushing) return;
    const bytes = this.#unflushedBytes;
    this.#flushing = true;
    fdatasync(this.#flushFd, (error) => {
      this.#flushing = false;
      if (error) this.#flushError = error;
      else this.#unflushedBytes = Math.max(0, this.#unflushedBytes - bytes);
      if (this.#closeAfterFlush) closeSync(this.#flushFd);
    });
  }

  /** Everything appended so far is on the disk when this returns. */
  flush(): void {
    this.#throwFlushError();
    try {
      fdatasyncSync(this.#fd);
    } catch (cause) {
      this.#flushError = cause as Error;
      this.#throwFlushError();
    }
    this.#unflushedBytes = 0;
  }

  /** A failed flush may have dropped what it failed for, so a later one proves nothing: it fails for good. */
  #throwFlushError(): void {
    const cause = this.#flushError;
    if (cause) {
      throw new StatusError('mediaWriteError', `flush failed: ${cause.message}`, {}, { cause });
    }
  }

  close(): void {
    closeSync(this.#fd);
    if (this.#flushing) this.#closeAfterFlush = true;
    else closeSync(this.#flushFd);
  }
}

export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code);
}

function noSpace(): Error {
  return Object.assign(new Error('no space left on the host'), { code: 'ENOSPC' });
}

function payloadCrc(block: WriteBlock): number {
  if (block.crc32 !== undefined) return block.crc32;
  let sum = 0;
  for (const part of block.parts) sum = crc32(part, sum);
  return sum;
}

function skipBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (left >= buffer.length) left -= buffer.length;
    else {
      rest.push(left > 0 ? buffer.subarray(left) : buffer);
      left = 0;
    }
  }
  return rest;
}
