// Where on the media a byte of an image's stream lies, by arithmetic alone: reading one file out of an image (DAR) is
// one seek. Holds for fragments that are not multiplexed. Pure.

import { StatusError } from '@tapestry/status';
import { payloadCapacity } from './block.ts';
import type { FragmentLayout } from './media-messages.ts';

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
