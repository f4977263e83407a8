// Appends records to one new segment file that nobody else ever writes. Headers and payloads go out in one gather write,
// nothing is copied; the file's end moves only when a record is there in full.

import { crc32 } from 'node:zlib';
import { AppendFile } from '../append-file.ts';
import type { WriteBlock } from '../drive.ts';
import type { FileLayer } from '../file-layer.ts';
import {
  ALIGN_BYTES,
  encodeHeader,
  encodeSegmentStart,
  HEADER_BYTES,
  RECORD_TYPE,
  type SegmentStart,
  storedBytes,
} from './record-header.ts';

/** One gather write: few enough buffers for one system call. */
const BATCH_RECORDS = 256;

const PADDING = Buffer.alloc(ALIGN_BYTES);

/** A record to append: a block with its length, or a filemark. */
export type NewRecord = { readonly block: WriteBlock; readonly bytes: number } | 'filemark';

export interface AppendResult {
  /** Records that are in the file in full. */
  readonly written: number;
  /** The host has no room for more. */
  readonly full: boolean;
}

export class SegmentWriter {
  readonly start: SegmentStart;
  readonly #file: AppendFile;
  readonly #headers = Buffer.alloc(BATCH_RECORDS * HEADER_BYTES);
  readonly #cartridgeTag: Uint8Array;
  #lastOffset = 0;
  #lastCrc: number;

  /** Makes the file; its first record is on the disk when this returns, its name when the caller syncs the folder. */
  constructor(path: string, start: SegmentStart, files?: FileLayer) {
    this.start = start;
    this.#cartridgeTag = start.uuid.subarray(0, 8);
    const { bytes, crc } = encodeSegmentStart(start);
    this.#lastCrc = crc;
    this.#file = new AppendFile(path, bytes, files);
  }

  /** Offset at which the next record goes. */
  get bytes(): number {
    return this.#file.bytes;
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
    return { written: records.length, full: false };
  }

  /** Fills the headers of a batch; answers their checksums. */
  #encode(batch: readonly NewRecord[], firstObject: number, firstFile: number): number[] {
    let file = firstFile;
    let offset = this.#file.bytes;
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
    const sizes = batch.map((record) => storedBytes(record === 'filemark' ? 0 : record.bytes));
    return this.#file.append(buffers, sizes, (i, offset) => {
      this.#lastOffset = offset;
      confirm(batch[i] as NewRecord, i);
    });
  }

  /** Everything appended so far is on the disk when this returns. */
  flush(): void {
    this.#file.flush();
  }

  close(): void {
    this.#file.close();
  }
}

function payloadCrc(block: WriteBlock): number {
  if (block.crc32 !== undefined) return block.crc32;
  let sum = 0;
  for (const part of block.parts) sum = crc32(part, sum);
  return sum;
}
