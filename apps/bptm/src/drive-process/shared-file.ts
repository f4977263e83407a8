// One tape file that streams share: its header names them, their blocks follow in any order, and its trailer ends each in
// its own way. With a single stream it is an ordinary fragment.

import { randomBytes } from 'node:crypto';
import type { AppendPoint, EnvVar, Fragment, VolumeSpec } from '@tapestry/contracts';
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

export interface FilePlace {
  readonly medium: MediumWriter;
  readonly volume: VolumeSpec;
  readonly fileNumber: number;
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
  readonly #volume: VolumeSpec;
  readonly #streams: readonly FileStream[];
  readonly #writer: FragmentWriter;
  readonly #blockSizeBytes: number;
  #headerObject = 0;

  /** Writes the header. Null: the medium has no room for another tape file. */
  static async begin(place: FilePlace, streams: readonly FileStream[]): Promise<SharedFile | null> {
    const { medium } = place;
    const file = new SharedFile(place, streams);
    file.#headerObject = (await medium.object()) ?? 0;
    const { block, wholeCrc } = file.#writer.headerBlock();
    await medium.write([{ parts: [block], crc32: wholeCrc }]);
    // Of a file that fills up with its header nothing is there to close.
    return medium.warned ? null : file;
  }

  private constructor(place: FilePlace, streams: readonly FileStream[]) {
    const { medium, volume, fileNumber } = place;
    const { order } = streams[0]!;
    this.#medium = medium;
    this.#volume = volume;
    this.#streams = streams;
    this.fileNumber = fileNumber;
    this.#blockSizeBytes = order.blockSizeBytes;
    this.#writer = new FragmentWriter({
      ...{ segment: this.segment, layout: 'blocks', fileNumber },
      ...{ mediaId: volume.mediaId, mediaAssignedMs: volume.assignedMs },
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

  /**
   * In the order given; the blocks are sealed in place. Answers how many the medium took: of the others nothing is in the
   * file.
   */
  async write(filled: readonly Filled[]): Promise<number> {
    const capacity = payloadCapacity(this.#blockSizeBytes);
    const blocks = filled.map(({ at, block, payloadBytes }): WriteBlock => {
      // Only a stream's last block is not full; a full last one is followed by an empty final block.
      const final = payloadBytes < capacity;
      const options = { payloadLength: payloadBytes, final, stream: this.#numberOf(at) };
      return { parts: [block], crc32: this.#writer.seal(block, options).wholeCrc };
    });
    const written = await this.#medium.write(blocks);
    if (written < blocks.length) this.#writer.unseal(blocks.length - written);
    return written;
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
    await medium.writeLast({ parts: [block], crc32: wholeCrc });
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
    await this.#medium.writeLast({ parts: [block], crc32: wholeCrc });
  }

  #fragmentOf(
    { order, fragment, beginBytes }: FileStream,
    end: Trailer['streams'][number],
    { digest, dataBlocks }: Trailer,
  ): Fragment {
    const { mediaServer, driveIndex, blockSizeBytes, copy } = order;
    const volume = this.#volume;
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
