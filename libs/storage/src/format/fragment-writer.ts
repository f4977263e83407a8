// Builds the blocks of one fragment of layout `blocks`: numbers them, keeps counts and digest, makes header and
// trailer. Pure: the caller owns the buffers and writes them in the order in which they were sealed.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { StatusError } from '@tapestry/status';
import {
  type BlockCipher,
  MAX_BLOCK_SIZE_BYTES,
  MIN_BLOCK_SIZE_BYTES,
  type Prologue,
  payloadCapacity,
  type SealedCrc,
  sealClearBlock,
  sealEncryptedBlock,
  sealMessageBlock,
} from './block.ts';
import {
  type EndReason,
  type EnvVar,
  encodeFragmentHeader,
  encodeFragmentTrailer,
  type FragmentHeader,
  type FragmentTrailer,
  type StreamEnd,
  type StreamRecord,
} from './media-messages.ts';

/** Stream bytes between two entries of a multiplexed fragment's index. */
export const INDEX_STEP_BYTES = 64n * 1024n * 1024n;

export interface SealOptions {
  readonly payloadLength: number;
  /** The stream's last block of this fragment, full or not. */
  readonly final: boolean;
  /** Default 0. */
  readonly stream?: number;
  /** For a stream whose header names an encryption. */
  readonly cipher?: BlockCipher;
}

/** So many of the blocks that were sealed last can be taken back. */
const UNSEAL_MAX = 64;

/** A block that may still be taken back. */
interface Recent {
  readonly crc: number;
  readonly stream: number;
  readonly payloadLength: number;
}

/** `parts` is what goes to the medium: the block itself when clear. */
export interface SealedBlock extends SealedCrc {
  readonly parts: readonly Uint8Array[];
}

export interface TrailerOptions {
  readonly endReason: EndReason;
  readonly closedMs: bigint;
  /** Environment after the backup ended, by stream. */
  readonly env?: ReadonlyMap<number, readonly EnvVar[]>;
  /** Streams of a multiplexed fragment whose part ended otherwise. */
  readonly endReasons?: ReadonlyMap<number, EndReason>;
}

interface OpenStream {
  readonly record: StreamRecord;
  nextIndex: number;
  nextOffset: bigint;
  ended: boolean;
  readonly indexBlocks: bigint[];
}

export class FragmentWriter {
  readonly #header: FragmentHeader;
  readonly #streams: ReadonlyMap<number, OpenStream>;
  readonly #digest = createHash('sha256');
  readonly #crcBytes = Buffer.alloc(4);
  readonly #indexStepBytes: bigint;
  /** Not in the digest yet, oldest first. */
  readonly #recent: Recent[] = [];
  #dataBlocks = 0n;

  /** Throws `invalidParameter` for a block size outside the limits, or streams that contradict each other. */
  constructor(header: FragmentHeader, indexStepBytes: bigint = INDEX_STEP_BYTES) {
    checkHeader(header);
    this.#header = header;
    this.#indexStepBytes = indexStepBytes;
    this.#streams = new Map(
      header.streams.map((record) => [
        record.stream,
        {
          record,
          nextIndex: 0,
          nextOffset: record.streamBeginBytes,
          ended: false,
          indexBlocks: [],
        },
      ]),
    );
  }

  get dataBlocks(): bigint {
    return this.#dataBlocks;
  }

  /** Stream offset behind the last sealed byte. */
  streamEndBytes(stream = 0): bigint {
    return this.#stream(stream).nextOffset;
  }

  /** Whether the stream had its final block. */
  hasEnded(stream: number): boolean {
    return this.#stream(stream).ended;
  }

  /** The fragment's first block. Called once, before any data block. */
  headerBlock(): { block: Uint8Array } & SealedCrc {
    assert(this.#dataBlocks === 0n);
    const { segment, streams } = this.#header;
    const message = encodeFragmentHeader(this.#header);
    const fragment = (streams[0] as StreamRecord).fragment;
    const sealed = sealMessageBlock(message, { segment, type: 'header', fragment });
    this.#count(sealed.crc);
    return sealed;
  }

  /** Seals a data block in place; the payload is in it from PAYLOAD_OFFSET on. All but a final one are full. */
  seal(block: Uint8Array, options: SealOptions): SealedBlock {
    const { payloadLength, final, stream = 0, cipher } = options;
    const open = this.#stream(stream);
    assert(!open.ended, 'nothing follows the final block of a stream');
    assert(block.length === this.#header.blockSizeBytes);
    assert(final || payloadLength === payloadCapacity(block.length));
    assert((open.record.encryption === null) === (cipher === undefined));
    const prologue: Prologue = {
      segment: this.#header.segment,
      type: final ? 'finalData' : 'data',
      stream,
      payloadLength,
      index: open.nextIndex,
      fragment: open.record.fragment,
      streamOffset: open.nextOffset,
      encrypted: cipher !== undefined,
    };
    const sealed = cipher
      ? sealEncryptedBlock(block, prologue, cipher)
      : { parts: [block], ...sealClearBlock(block, prologue) };
    this.#noteIndex(open, payloadLength);
    open.nextIndex += 1;
    open.nextOffset += BigInt(payloadLength);
    open.ended = final;
    this.#dataBlocks += 1n;
    if (this.#recent.length === UNSEAL_MAX) this.#count(this.#recent.shift()!.crc);
    this.#recent.push({ crc: sealed.crc, stream, payloadLength });
    return sealed;
  }

  /** Takes back the blocks that were sealed last: they did not get onto the medium, and are sealed again elsewhere. */
  unseal(count: number): void {
    assert(count <= this.#recent.length, 'only the blocks that were sealed last are taken back');
    for (const { stream, payloadLength } of this.#recent.splice(this.#recent.length - count)) {
      const open = this.#stream(stream);
      open.nextIndex -= 1;
      open.nextOffset -= BigInt(payloadLength);
      // A stream's last block is among those that follow it.
      open.ended = false;
    }
    this.#dataBlocks -= BigInt(count);
    for (const { indexBlocks } of this.#streams.values()) {
      while ((indexBlocks.at(-1) ?? -1n) >= this.#dataBlocks) indexBlocks.pop();
    }
  }

  #noteIndex(open: OpenStream, payloadLength: number): void {
    if (this.#streams.size === 1) return;
    const end = open.nextOffset + BigInt(payloadLength) - open.record.streamBeginBytes;
    while (BigInt(open.indexBlocks.length) * this.#indexStepBytes < end) {
      open.indexBlocks.push(this.#dataBlocks);
    }
  }

  /** The fragment's last block, and what the catalog records. Every stream must have had its final block. */
  trailerBlock(options: TrailerOptions): {
    block: Uint8Array;
    trailer: FragmentTrailer;
  } & SealedCrc {
    for (const { crc } of this.#recent.splice(0)) this.#count(crc);
    const { segment, mediaId, fileNumber, streams } = this.#header;
    const trailer: FragmentTrailer = {
      segment,
      mediaId,
      fileNumber,
      endReason: options.endReason,
      dataBlocks: this.#dataBlocks,
      digest: this.#digest.copy().digest(),
      closedMs: options.closedMs,
      streams: [...this.#streams.values()].map((open) => this.#endOf(open, options)),
    };
    const message = encodeFragmentTrailer(trailer);
    const fragment = (streams[0] as StreamRecord).fragment;
    return { trailer, ...sealMessageBlock(message, { segment, type: 'trailer', fragment }) };
  }

  #endOf(open: OpenStream, options: TrailerOptions): StreamEnd {
    const { stream } = open.record;
    assert(open.ended, 'every stream ends with a final block');
    return {
      stream,
      dataBlocks: BigInt(open.nextIndex),
      streamEndBytes: open.nextOffset,
      index:
        this.#streams.size === 1
          ? null
          : { stepBytes: this.#indexStepBytes, blocks: open.indexBlocks },
      env: options.env?.get(stream) ?? [],
      endReason: options.endReasons?.get(stream) ?? options.endReason,
    };
  }

  #stream(stream: number): OpenStream {
    const open = this.#streams.get(stream);
    assert(open, `the header names no stream ${stream}`);
    return open;
  }

  #count(crc: number): void {
    this.#crcBytes.writeUInt32BE(crc);
    this.#digest.update(this.#crcBytes);
  }
}

function checkHeader(header: FragmentHeader): void {
  const { blockSizeBytes, segment, streams } = header;
  const fits =
    blockSizeBytes % 1024 === 0 &&
    blockSizeBytes >= MIN_BLOCK_SIZE_BYTES &&
    blockSizeBytes <= MAX_BLOCK_SIZE_BYTES;
  if (!fits) {
    const limits = `a multiple of 1024 from ${MIN_BLOCK_SIZE_BYTES} to ${MAX_BLOCK_SIZE_BYTES}`;
    throw new StatusError('invalidParameter', `block size ${blockSizeBytes} is not ${limits}`);
  }
  const numbers = new Set(streams.map(({ stream }) => stream));
  const alone = streams.length === 1 && numbers.has(0);
  if (!alone && (streams.length < 2 || numbers.size < streams.length || numbers.has(0))) {
    throw new StatusError('invalidParameter', 'one stream has number 0, several have others');
  }
  if (segment.length !== 16) throw new StatusError('invalidParameter', 'a segment has 16 bytes');
}
