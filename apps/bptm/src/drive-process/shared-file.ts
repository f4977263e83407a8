// One tape file that streams share: its header names them, their blocks follow in any order, and its trailer ends each in
// its own way. With a single stream it is an ordinary fragment.

import { randomBytes } from 'node:crypto';
import type { AppendPoint, EnvVar, Fragment } from '@tapestry/contracts';
import { type EndReason, FragmentWriter, thinIndex, type WriteBlock } from '@tapestry/storage';
import { payloadCapacity } from '@tapestry/storage/block';
import type { MediumWriter } from './medium-writer.ts';
import type { WriteOrder } from './messages.ts';

/** The catalog finds a byte with so many entries; the trailer has all. */
const INDEX_ENTRIES_MAX = 1024;

/** A stream as it enters the file. */
export interface FileStream {
  readonly order: WriteOrder;
  /** Of its fragment here. */
  readonly fragment: number;
  readonly beginBytes: bigint;
  readonly previousSegment: Uint8Array;
}

export interface StreamClose {
  readonly endReason: EndReason;
  readonly env: readonly EnvVar[];
}

export interface ClosedPart {
  readonly fragment: Fragment;
  readonly append: AppendPoint;
}

/** One filled slot of a stream's ring. */
export interface Filled {
  /** Which of the file's streams, from 0. */
  readonly at: number;
  readonly block: Buffer;
  readonly payloadBytes: number;
}

export class SharedFile {
  readonly segment = randomBytes(16);
  readonly fileNumber: number;
  readonly #medium: MediumWriter;
  readonly #streams: readonly FileStream[];
  readonly #writer: FragmentWriter;
  readonly #blockSizeBytes: number;
  #headerObject = 0;

  /** Writes the header. */
  static async begin(
    medium: MediumWriter,
    fileNumber: number,
    streams: readonly FileStream[],
  ): Promise<SharedFile> {
    const file = new SharedFile(medium, fileNumber, streams);
    file.#headerObject = (await medium.object()) ?? 0;
    const { block, wholeCrc } = file.#writer.headerBlock();
    await medium.write([{ parts: [block], crc32: wholeCrc }]);
    return file;
  }

  private constructor(medium: MediumWriter, fileNumber: number, streams: readonly FileStream[]) {
    const { order } = streams[0]!;
    this.#medium = medium;
    this.#streams = streams;
    this.fileNumber = fileNumber;
    this.#blockSizeBytes = order.blockSizeBytes;
    this.#writer = new FragmentWriter({
      ...{ segment: this.segment, layout: 'blocks', fileNumber },
      ...{ mediaId: order.volume.mediaId, mediaAssignedMs: order.volume.assignedMs },
      ...{ blockSizeBytes: order.blockSizeBytes, writtenMs: BigInt(Date.now()) },
      ...{ mediaServer: order.mediaServer, software: order.software },
      streams: streams.map(
        ({ order: { image, copy }, fragment, beginBytes, previousSegment }, at) => ({
          ...{ stream: this.#numberOf(at), image, copy, fragment, previousSegment },
          ...{ streamBeginBytes: beginBytes, encryption: null },
        }),
      ),
    });
  }

  get dataBlocks(): bigint {
    return this.#writer.dataBlocks;
  }

  /** In the order given; the blocks are sealed in place. */
  async write(filled: readonly Filled[]): Promise<void> {
    const capacity = payloadCapacity(this.#blockSizeBytes);
    const blocks = filled.map(({ at, block, payloadBytes }): WriteBlock => {
      // Only a stream's last block is not full; a full last one is followed by an empty final block.
      const final = payloadBytes < capacity;
      const options = { payloadLength: payloadBytes, final, stream: this.#numberOf(at) };
      return { parts: [block], crc32: this.#writer.seal(block, options).wholeCrc };
    });
    await this.#medium.write(blocks);
  }

  /** Ends every stream's part durably. The answer is in the order of the streams. */
  async close(ends: readonly StreamClose[]): Promise<ClosedPart[]> {
    const medium = this.#medium;
    for (const at of this.#streams.keys()) await this.#writeFinal(at);
    const alone = ends.length === 1;
    const { block, wholeCrc, trailer } = this.#writer.trailerBlock({
      endReason: alone ? ends[0]!.endReason : 'fragmentFull',
      closedMs: BigInt(Date.now()),
      env: new Map(ends.map(({ env }, at) => [this.#numberOf(at), env])),
      endReasons: new Map(ends.map(({ endReason }, at) => [this.#numberOf(at), endReason])),
    });
    await medium.write([{ parts: [block], crc32: wholeCrc }]);
    await medium.mark();
    // Header, data blocks, trailer and filemark.
    const nextObject = this.#headerObject + Number(trailer.dataBlocks) + 3;
    await medium.checkObject(nextObject);
    return this.#streams.map((stream, at) => {
      const { order, fragment } = stream;
      return {
        fragment: this.#fragmentOf(stream, trailer.streams[at]!, trailer),
        append: {
          fileNumber: this.fileNumber + 1,
          blockNumber: BigInt(nextObject),
          trailerDigest: trailer.digest,
          fragment: `${order.image.backupId} ${fragment}`,
        },
      };
    });
  }

  async #writeFinal(at: number): Promise<void> {
    const stream = this.#numberOf(at);
    if (this.#writer.hasEnded(stream)) return;
    const block = Buffer.alloc(this.#blockSizeBytes);
    const { wholeCrc } = this.#writer.seal(block, { payloadLength: 0, final: true, stream });
    await this.#medium.write([{ parts: [block], crc32: wholeCrc }]);
  }

  #fragmentOf(
    { order, fragment, beginBytes }: FileStream,
    end: Trailer['streams'][number],
    { digest, dataBlocks }: Trailer,
  ): Fragment {
    const { volume, mediaServer, driveIndex, blockSizeBytes, copy } = order;
    const index = end.index === null ? null : thinIndex(end.index, INDEX_ENTRIES_MAX);
    return {
      ...{ copy, number: fragment, mediaId: volume.mediaId, mediaServer },
      ...{ density: volume.density, fileNumber: this.fileNumber },
      ...{ blockNumber: BigInt(this.#headerObject), blockSizeBytes, dataBlocks },
      ...{ streamBeginBytes: beginBytes, streamEndBytes: end.streamEndBytes },
      ...{ digest, mediaAssignedMs: volume.assignedMs, driveIndex },
      ...{ keyTag: new Uint8Array(0), writtenMs: BigInt(Date.now()) },
      ...{ layout: 'FRAGMENT_LAYOUT_BLOCKS', stream: end.stream },
      indexStepBytes: index?.stepBytes ?? 0n,
      indexBlocks: [...(index?.blocks ?? [])],
    };
  }

  /** Alone it is number 0; several count from 1. */
  #numberOf(at: number): number {
    return this.#streams.length === 1 ? 0 : at + 1;
  }
}

type Trailer = ReturnType<FragmentWriter['trailerBlock']>['trailer'];
