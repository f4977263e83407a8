// Where on the media a byte of an image's stream lies, by arithmetic alone: reading one file out of an image (DAR) is
// one seek; in a multiplexed fragment, by its sparse index, a seek and some reading on. Pure.

import { StatusError } from '@tapestry/status';
import { payloadCapacity } from './block.ts';
import type { FragmentLayout, SparseIndex } from './media-messages.ts';

/** What the catalog knows of a fragment. */
export interface FragmentExtent {
  readonly mediaId: string;
  /** Tape file of the header. */
  readonly fileNumber: number;
  readonly layout: FragmentLayout;
  readonly blockSizeBytes: number;
  readonly streamBeginBytes: bigint;
  readonly streamEndBytes: bigint;
}

export interface StreamPosition {
  /** Which of the given fragments. */
  readonly fragment: number;
  readonly mediaId: string;
  /** Where to locate to. */
  readonly file: number;
  readonly block: number;
  /** Number of the data block within the fragment, for `FragmentReader.seek`. */
  readonly index: number;
  /** Bytes of its payload before the wanted one. */
  readonly offset: number;
}

/** `fragments` in the order of the stream, without gaps. Throws `cannotPositionToImage` for an offset that none holds. */
export function locateStreamByte(
  fragments: readonly FragmentExtent[],
  streamOffset: bigint,
): StreamPosition {
  const i = fragments.findIndex(
    (f) => streamOffset >= f.streamBeginBytes && streamOffset < f.streamEndBytes,
  );
  const found = fragments[i];
  if (!found) {
    throw new StatusError('cannotPositionToImage', `no fragment holds byte ${streamOffset}`);
  }
  const payloadBytes = BigInt(
    found.layout === 'blocks' ? payloadCapacity(found.blockSizeBytes) : found.blockSizeBytes,
  );
  const within = streamOffset - found.streamBeginBytes;
  const index = Number(within / payloadBytes);
  return {
    fragment: i,
    mediaId: found.mediaId,
    ...firstDataBlock(found, index),
    index,
    offset: Number(within % payloadBytes),
  };
}

/** Data blocks follow the header in its own tape file; a mover's records have a file of their own. */
function firstDataBlock(fragment: FragmentExtent, index: number): { file: number; block: number } {
  return fragment.layout === 'blocks'
    ? { file: fragment.fileNumber, block: 1 + index }
    : { file: fragment.fileNumber + 1, block: index };
}

/** Tape files that a fragment takes: header, data and trailer in one, or one each around a mover's records. */
export function fragmentFileCount(layout: FragmentLayout): number {
  return layout === 'blocks' ? 1 : 3;
}

/** Stream bytes that `count` full data blocks hold: how a fragment's greatest size becomes a number of blocks. */
export function blocksForBytes(bytes: bigint, blockSizeBytes: number): bigint {
  const payloadBytes = BigInt(payloadCapacity(blockSizeBytes));
  return (bytes + payloadBytes - 1n) / payloadBytes;
}

/** Where reading begins for a byte of one stream of a multiplexed fragment. */
export interface MultiplexedPosition {
  readonly file: number;
  readonly block: number;
  /** The stream's data block that lies there, for `FragmentReader.seek`. */
  readonly index: number;
  /** The stream's data block that is wanted: there, or further on. */
  readonly wanted: number;
  /** Bytes of its payload before the wanted one. */
  readonly offset: number;
}

/** Throws `cannotPositionToImage` for a byte that the stream has not there. */
export function locateMultiplexedByte(
  extent: Omit<FragmentExtent, 'mediaId' | 'layout'> & { readonly index: SparseIndex },
  streamOffset: bigint,
): MultiplexedPosition {
  const { streamBeginBytes, streamEndBytes, fileNumber, index } = extent;
  const within = streamOffset - streamBeginBytes;
  const entry = within < 0n || index.stepBytes === 0n ? -1 : Number(within / index.stepBytes);
  const block = index.blocks[entry];
  if (block === undefined || streamOffset >= streamEndBytes) {
    throw new StatusError('cannotPositionToImage', `no block on record holds byte ${streamOffset}`);
  }
  // All of a stream's blocks in a fragment but its last are full: its own count is arithmetic as ever.
  const payloadBytes = BigInt(payloadCapacity(extent.blockSizeBytes));
  return {
    ...{ file: fileNumber, block: 1 + Number(block) },
    index: Number((BigInt(entry) * index.stepBytes) / payloadBytes),
    wanted: Number(within / payloadBytes),
    offset: Number(within % payloadBytes),
  };
}

/** The same index with at most so many entries: every second one, until they fit. */
export function thinIndex({ stepBytes, blocks }: SparseIndex, entriesMax: number): SparseIndex {
  if (blocks.length <= entriesMax) return { stepBytes, blocks };
  const every = blocks.filter((_, entry) => entry % 2 === 0);
  return thinIndex({ stepBytes: stepBytes * 2n, blocks: every }, entriesMax);
}
