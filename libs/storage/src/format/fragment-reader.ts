// Reads the blocks of one fragment of layout `blocks`: checks sums, order and, when it saw the whole fragment, counts and
// digest. Pure: the caller reads the blocks and hands them in.

import { createHash, type Hash } from 'node:crypto';
import { StatusError } from '@tapestry/status';
import { type OpenedBlock, openBlock, payloadCapacity } from './block.ts';
import {
  decodeFragmentHeader,
  decodeFragmentTrailer,
  type FragmentHeader,
  type FragmentTrailer,
} from './media-messages.ts';

export type AcceptedBlock =
  | {
      readonly kind: 'data';
      readonly stream: number;
      readonly streamOffset: bigint;
      /** A view into the block that was handed in. */
      readonly payload: Uint8Array;
      /** The stream's last block of this fragment. */
      readonly final: boolean;
      readonly opened: OpenedBlock;
    }
  /** `verified`: every block of the fragment was seen, and counts and digest agree. */
  | { readonly kind: 'trailer'; readonly trailer: FragmentTrailer; readonly verified: boolean };

/** A trailer block by itself. Throws `mediaReadError` when it is damaged, `cannotReadBackupHeader` when it is none. */
export function openTrailerBlock(
  block: Uint8Array,
  wholeCrc: number | null = null,
): FragmentTrailer {
  const opened = openBlock(block, wholeCrc);
  if (opened.type === 'trailer') return decodeFragmentTrailer(opened.payload);
  throw new StatusError('cannotReadBackupHeader', `a ${opened.type} block is no trailer`);
}

interface StreamProgress {
  nextIndex: number;
  nextOffset: bigint;
  ended: boolean;
  /** False once blocks were skipped: the next one seen says where the stream is. */
  known: boolean;
}

export class FragmentReader {
  readonly header: FragmentHeader;
  readonly #segment: Uint8Array;
  readonly #streams: Map<number, StreamProgress>;
  readonly #digest: Hash = createHash('sha256');
  readonly #crcBytes = Buffer.alloc(4);
  #dataBlocks = 0n;
  /** False once blocks were skipped: then only order and sums of what is read can be checked. */
  #whole = true;

  /** Takes the header block. Throws `cannotReadBackupHeader` when it is none, `mediaReadError` when it is damaged. */
  constructor(headerBlock: Uint8Array, wholeCrc: number | null = null) {
    const opened = openBlock(headerBlock, wholeCrc);
    if (opened.type !== 'header') {
      throw new StatusError('cannotReadBackupHeader', `a ${opened.type} block is no header`);
    }
    this.header = decodeFragmentHeader(opened.payload);
    this.#segment = Uint8Array.from(opened.segment);
    if (Buffer.compare(this.#segment, this.header.segment) !== 0) {
      throw new StatusError('cannotReadBackupHeader', 'the header names another segment');
    }
    this.#streams = new Map(
      this.header.streams.map((record) => [
        record.stream,
        { nextIndex: 0, nextOffset: record.streamBeginBytes, ended: false, known: true },
      ]),
    );
    this.#count(opened.crc);
  }

  /**
   * The caller skips blocks: the next one handed in of this stream must be its data block `index`. Where other streams of
   * the fragment are, their next blocks say. The trailer can no longer be verified.
   */
  seek(index: number, stream = 0): void {
    const record = this.header.streams.find((each) => each.stream === stream);
    if (!record) throw new StatusError('invalidParameter', `no stream ${stream} to be read`);
    const payloadBytes = BigInt(payloadCapacity(this.header.blockSizeBytes));
    this.#whole = false;
    for (const progress of this.#streams.values()) progress.known = false;
    const nextOffset = record.streamBeginBytes + BigInt(index) * payloadBytes;
    this.#streams.set(stream, { nextIndex: index, nextOffset, ended: false, known: true });
  }

  /** The next block behind the header. Throws `mediaReadError` when it is damaged, or not the one that comes next. */
  accept(block: Uint8Array, wholeCrc: number | null = null): AcceptedBlock {
    const opened = openBlock(block, wholeCrc);
    if (Buffer.compare(opened.segment, this.#segment) !== 0)
      throw this.#misplaced(opened, 'segment');
    if (opened.type === 'trailer') return this.#finish(opened);
    const progress = this.#streams.get(opened.stream);
    if (progress?.known === false) {
      const { index: nextIndex, streamOffset: nextOffset } = opened;
      Object.assign(progress, { nextIndex, nextOffset, ended: false, known: true });
    }
    if (!progress || progress.ended) throw this.#misplaced(opened, 'stream');
    if (opened.type !== 'data' && opened.type !== 'finalData')
      throw this.#misplaced(opened, 'type');
    if (opened.index !== progress.nextIndex) throw this.#misplaced(opened, 'index');
    if (opened.streamOffset !== progress.nextOffset) throw this.#misplaced(opened, 'offset');
    if (block.length !== this.header.blockSizeBytes) throw this.#misplaced(opened, 'size');
    const final = opened.type === 'finalData';
    progress.nextIndex += 1;
    progress.nextOffset += BigInt(opened.payloadLength);
    progress.ended = final;
    this.#dataBlocks += 1n;
    this.#count(opened.crc);
    const { stream, streamOffset, payload } = opened;
    return { kind: 'data', stream, streamOffset, payload, final, opened };
  }

  #finish(opened: OpenedBlock): AcceptedBlock {
    const trailer = decodeFragmentTrailer(opened.payload);
    if (!this.#whole || this.header.layout === 'mover') {
      return { kind: 'trailer', trailer, verified: false };
    }
    const agrees =
      trailer.dataBlocks === this.#dataBlocks &&
      Buffer.compare(trailer.digest, this.#digest.copy().digest()) === 0 &&
      trailer.streams.length === this.#streams.size &&
      trailer.streams.every((end) => {
        const seen = this.#streams.get(end.stream);
        return seen?.ended && seen.nextOffset === end.streamEndBytes;
      });
    if (agrees) return { kind: 'trailer', trailer, verified: true };
    const detail = `${this.#name}: ${this.#dataBlocks} blocks do not agree with the trailer`;
    throw new StatusError('mediaReadError', detail);
  }

  #misplaced(opened: OpenedBlock, what: string): StatusError {
    const detail = `${this.#name}: block ${opened.index} of stream ${opened.stream} has the wrong ${what}`;
    return new StatusError('mediaReadError', detail);
  }

  get #name(): string {
    const { mediaId, fileNumber } = this.header;
    return `${mediaId} file ${fileNumber}`;
  }

  #count(crc: number): void {
    this.#crcBytes.writeUInt32BE(crc);
    this.#digest.update(this.#crcBytes);
  }
}
