// Where blocks come from in a restore: ranges of an image's stream, found by arithmetic, read in order, checked block by
// block, and put into the ring, as far as they are on the volume in the drive.

import type { Fragment } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  type BlockSource,
  type FragmentExtent,
  FragmentReader,
  locateMultiplexedByte,
  locateStreamByte,
  type StreamPosition,
} from '@tapestry/storage';
import { PAYLOAD_OFFSET } from '@tapestry/storage/block';
import type { FromDrive, ReadOrder } from './messages.ts';
import { isOfConnection, nextTurn } from './network-drive.ts';
import type { Ring } from './ring.ts';

/** As long as a header gets. */
const HEADER_BUFFER_BYTES = 1024 * 1024;
const ROOM_WAIT_MS = 50;

/** What is read from now. */
export interface SourcePlace {
  readonly drive: BlockSource;
  readonly mediaId: string;
}

/** `wanted`: the rest of the range begins on this volume; empty when nothing is left of it. */
export interface ReadSoFar {
  readonly bytes: bigint;
  readonly wanted: string;
}

export interface SourceParts {
  readonly ring: Ring;
  readonly order: ReadOrder;
  readonly report: (message: FromDrive) => void;
}

interface OpenFragment {
  readonly fragment: Fragment;
  readonly reader: FragmentReader;
  /** Data block of the image's stream that the drive reads next. */
  nextIndex: number;
  /** Its last one was read. */
  ended: boolean;
  /** Stream offset behind the block that was read last. */
  readTo: bigint;
}

export class FragmentSource {
  readonly #parts: SourceParts;
  readonly #endBytes: bigint;
  readonly #extents: readonly FragmentExtent[];
  #place: SourcePlace;
  #open: OpenFragment | undefined;

  constructor(parts: SourceParts, place: SourcePlace) {
    this.#parts = parts;
    this.#place = place;
    const { fragments } = parts.order;
    this.#endBytes = fragments.at(-1)?.streamEndBytes ?? 0n;
    this.#extents = fragments.map((fragment) => ({ ...fragment, layout: 'blocks' }));
  }

  /** The image is read on from here. */
  continueOn(place: SourcePlace): void {
    this.#place = place;
    this.#open = undefined;
  }

  /** Answers how many bytes went into the ring: fewer than asked at the end of the image. Errors: 85, 86, 94, 173, 234. */
  async readRange({ offset, length }: { offset: bigint; length: bigint }): Promise<ReadSoFar> {
    const end = length > this.#endBytes - offset ? this.#endBytes : offset + length;
    let at = offset;
    try {
      while (at < end) {
        const where = locateStreamByte(this.#extents, at);
        if (where.mediaId !== this.#place.mediaId) {
          await this.#leaveFragment();
          return { bytes: at - offset, wanted: where.mediaId };
        }
        at += await this.#readBlock(where, at, end);
      }
      if (end === this.#endBytes) await this.#leaveFragment();
    } catch (error) {
      const isRead = error instanceof StatusError && error.status === 'mediaReadError';
      if (isRead && !isOfConnection(error)) {
        const { detail } = error;
        this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_READ_ERROR', detail });
      }
      throw error;
    }
    return { bytes: at > offset ? at - offset : 0n, wanted: '' };
  }

  /** What was read to its end must end as its trailer says. Of shared tape files the image's last one must do. */
  async #leaveFragment(): Promise<void> {
    const { fragment, readTo } = this.#open ?? {};
    if (fragment === undefined || readTo !== fragment.streamEndBytes) return;
    if (fragment.stream === 0 || readTo === this.#endBytes) await this.#verifyEnd();
  }

  /** Hands the bytes from `at` on, at most to `end`, of the one block that holds them to the ring. */
  async #readBlock(place: StreamPosition, at: bigint, end: bigint): Promise<bigint> {
    const { ring, order } = this.#parts;
    const open = await this.#openFragment(order.fragments[place.fragment]!);
    if (open.nextIndex !== place.index) await this.#seek(open, place, at);
    while (!ring.hasRoom && !ring.stopped) {
      ring.waitSync('room', () => ring.hasRoom, ROOM_WAIT_MS);
      // A drive on the network wants its pings answered while nobody reads.
      if (!ring.hasRoom) await nextTurn();
    }
    if (ring.stopped) throw new StatusError('interrupted', 'the stream was broken off');
    const block = ring.nextBlock().subarray(0, open.fragment.blockSizeBytes);
    // Where streams share the tape file, only some of the way is known.
    while (open.nextIndex < place.index) await this.#readInto(block, open);
    const payloadBytes = await this.#readInto(block, open);
    const available = payloadBytes - place.offset;
    if (available <= 0) {
      throw new StatusError('mediaReadError', `block ${place.index} is shorter than on record`);
    }
    const wanted = end - at;
    const count = wanted < BigInt(available) ? Number(wanted) : available;
    ring.publish(PAYLOAD_OFFSET + place.offset, count);
    open.readTo = at - BigInt(place.offset) + BigInt(payloadBytes);
    return BigInt(count);
  }

  async #seek(open: OpenFragment, place: StreamPosition, at: bigint): Promise<void> {
    const { drive } = this.#place;
    const { fragment, reader } = open;
    let { file, block, index } = place;
    if (fragment.stream > 0) {
      const sparse = { stepBytes: fragment.indexStepBytes, blocks: fragment.indexBlocks };
      ({ file, block, index } = locateMultiplexedByte({ ...fragment, index: sparse }, at));
      // The drive is on the way there already.
      if (index <= open.nextIndex && open.nextIndex < place.index) return;
    }
    await drive.locate({ file, block });
    reader.seek(index, fragment.stream);
    Object.assign(open, { nextIndex: index, ended: false });
  }

  /** The next block of the image's own stream; those of others that share the tape file are read over. */
  async #readInto(block: Buffer, open: OpenFragment): Promise<number> {
    for (;;) {
      if (this.#parts.ring.stopped) throw new StatusError('interrupted', 'it was broken off');
      const result = await this.#place.drive.readBlock(block);
      if (result.kind !== 'block' || result.lengthBytes !== block.length) {
        const { mediaId, fileNumber } = open.fragment;
        const where = `${mediaId} file ${fileNumber} block ${open.nextIndex}`;
        throw new StatusError(
          'mediaReadError',
          `${where}: a ${result.kind} instead of a data block`,
        );
      }
      const accepted = open.reader.accept(block, result.crc32);
      if (accepted.kind !== 'data') {
        throw new StatusError('mediaReadError', 'the fragment ends before its length on record');
      }
      if (accepted.stream !== open.fragment.stream) continue;
      open.nextIndex += 1;
      open.ended = accepted.final;
      return accepted.payload.length;
    }
  }

  async #openFragment(fragment: Fragment): Promise<OpenFragment> {
    if (this.#open?.fragment === fragment) return this.#open;
    await this.#leaveFragment();
    const { order } = this.#parts;
    const { drive } = this.#place;
    await drive.locate({ file: fragment.fileNumber, block: 0 });
    const into = Buffer.alloc(HEADER_BUFFER_BYTES);
    const result = await drive.readBlock(into);
    if (result.kind !== 'block') {
      const where = `${fragment.mediaId} file ${fragment.fileNumber}`;
      throw new StatusError('cannotReadBackupHeader', `${where}: a ${result.kind}, no header`);
    }
    const reader = new FragmentReader(into.subarray(0, result.lengthBytes), result.crc32);
    checkHeader(reader, fragment, order.backupId);
    const begin = fragment.streamBeginBytes;
    this.#open = { fragment, reader, nextIndex: 0, ended: false, readTo: begin };
    return this.#open;
  }

  /** When the last block was read, what follows must be the trailer, and agree with all that was seen. */
  async #verifyEnd(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    if (open.fragment.stream > 0) return this.#verifySharedEnd(open);
    if (BigInt(open.nextIndex) > open.fragment.dataBlocks) return;
    const { drive } = this.#place;
    const block = Buffer.alloc(Math.max(HEADER_BUFFER_BYTES, open.fragment.blockSizeBytes));
    for (;;) {
      const result = await drive.readBlock(block);
      if (result.kind !== 'block') {
        throw new StatusError('mediaReadError', `a ${result.kind} where the trailer should be`);
      }
      const accepted = open.reader.accept(block.subarray(0, result.lengthBytes), result.crc32);
      open.nextIndex += 1;
      if (accepted.kind === 'trailer') return;
      if (accepted.payload.length > 0) {
        throw new StatusError('mediaReadError', 'data follows the end of the image');
      }
    }
  }

  /** The trailer is behind the blocks of others, however many those are: the stream's own last block must do. */
  async #verifySharedEnd(open: OpenFragment): Promise<void> {
    if (open.ended) return;
    const payloadBytes = await this.#readInto(Buffer.alloc(open.fragment.blockSizeBytes), open);
    if (open.ended && payloadBytes === 0) return;
    throw new StatusError('mediaReadError', 'data follows the end of the image');
  }
}

function checkHeader({ header }: FragmentReader, fragment: Fragment, backupId: string): void {
  const stream = header.streams.find((each) => each.stream === fragment.stream);
  if (stream?.encryption) {
    throw new StatusError(
      'notImplemented',
      `${backupId} is encrypted: this release cannot read it`,
    );
  }
  const isIt =
    header.mediaId === fragment.mediaId &&
    header.layout === 'blocks' &&
    header.blockSizeBytes === fragment.blockSizeBytes &&
    stream?.image.backupId === backupId &&
    stream.fragment === fragment.number &&
    stream.streamBeginBytes === fragment.streamBeginBytes;
  if (isIt) return;
  const found = `fragment ${stream?.fragment} of ${stream?.image.backupId}`;
  throw new StatusError(
    'cannotPositionToImage',
    `${fragment.mediaId} file ${fragment.fileNumber} holds ${found}, not ${fragment.number} of ${backupId}`,
  );
}
