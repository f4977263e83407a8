// Where blocks go in a backup: takes filled slots from the ring, seals them in place, writes them in batches, and opens and
// closes fragments, on one volume after the other. Nothing is allocated per block but the drive's own call. A block leaves
// the ring when it is on a medium: what a full one did not take is sealed again for the next.

import { randomBytes } from 'node:crypto';
import type { EnvVar, Fragment, VolumeSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  type BlockSink,
  FragmentWriter,
  type WriteBlock,
  type WriteResult,
} from '@tapestry/storage';
import { payloadCapacity } from '@tapestry/storage/block';
import { ALONE } from '../core/alone.ts';
import { endedTooSoon, fullDetail, tooSmall } from '../core/full-medium.ts';
import type { FromDrive, WriteOrder } from './messages.ts';
import { isOfConnection, nextTurn } from './network-drive.ts';
import type { Ring } from './ring.ts';

/** Blocks handed to the drive at once: enough to make a call cheap, few enough to give slots back early. */
const BATCH_MAX = 16;
/** On a slow wire blocks are not held back for longer than this to make a batch. */
const GATHER_MAX_MS = 50;

/** What is written on now. */
export interface TargetPlace {
  readonly drive: BlockSink;
  readonly volume: VolumeSpec;
  /** Tape file that the first fragment becomes. */
  readonly firstFileNumber: number;
}

export interface TargetParts {
  readonly ring: Ring;
  readonly order: WriteOrder;
  readonly report: (message: FromDrive) => void;
}

/** `full`: the medium is, its fragment is closed, and more of the stream is to come. */
export interface Written {
  readonly bytes: bigint;
  readonly full: boolean;
}

interface OpenFragment {
  readonly writer: FragmentWriter;
  readonly number: number;
  readonly fileNumber: number;
  /** Object number of the header block. */
  readonly blockNumber: number;
  readonly streamBeginBytes: bigint;
  readonly blocksMax: bigint;
  finalWritten: boolean;
}

export class FragmentTarget {
  readonly #parts: TargetParts;
  readonly #blockCapacityBytes: number;
  #place: TargetPlace;
  #open: OpenFragment | undefined;
  /** Of the image, and of it on this volume. */
  #closedCount = 0;
  #closedHere = 0;
  #streamBytes = 0n;
  #previousSegment = new Uint8Array(0);
  /** Past early warning: what follows goes onto another volume. */
  #warned = false;

  constructor(parts: TargetParts, place: TargetPlace) {
    this.#parts = parts;
    this.#place = place;
    this.#blockCapacityBytes = payloadCapacity(parts.order.blockSizeBytes);
  }

  /** The image goes on here. */
  continueOn(place: TargetPlace): void {
    this.#place = place;
    this.#closedHere = 0;
    this.#warned = false;
  }

  /** Resolves when the ring has ended and all of it is written, or the medium is full. Errors: 84, 129, 234. */
  async writeStream(): Promise<Written> {
    const { ring } = this.#parts;
    if (this.#open === undefined && !(await this.#begin())) return this.#onFull();
    for (;;) {
      const enough = (): boolean => ring.filled >= ring.memory.wakeBlocks || ring.ended;
      ring.waitSync('blocks', enough, GATHER_MAX_MS);
      if (ring.stopped) throw new StatusError('interrupted', 'the stream was broken off');
      if (ring.filled > 0) {
        if (this.#warned || !(await this.#writeBatch())) return this.#onFull();
      } else if (ring.ended) return { bytes: this.#streamBytes, full: false };
      // A drive on the network wants its pings answered while no data comes.
      else await nextTurn();
    }
  }

  /** Closes what is on the full medium; a fragment that took nothing of the stream is left as the tail that it is. */
  async #onFull(): Promise<Written> {
    const { order, report } = this.#parts;
    const { mediaId } = this.#place.volume;
    const detail = fullDetail(mediaId, this.#streamBytes);
    if (order.disk !== null) throw new StatusError('diskFull', detail);
    report({ type: 'mediaEvent', event: 'MEDIA_EVENT_FULL', detail });
    const open = this.#open;
    if (open !== undefined && open.streamBeginBytes < this.#streamBytes) {
      await this.close('mediumFull', []);
    } else if (this.#isAlone) throw tooSmall(mediaId);
    this.#open = undefined;
    return { bytes: this.#streamBytes, full: true };
  }

  /** Nothing closed is on the volume. */
  get #isAlone(): boolean {
    return this.#place.firstFileNumber === 1 && this.#closedHere === 0;
  }

  /** Ends the open fragment durably and reports it. */
  async close(
    endReason: 'streamEnd' | 'fragmentFull' | 'mediumFull',
    env: readonly EnvVar[],
  ): Promise<void> {
    const open = this.#open!;
    if (!open.finalWritten) await this.#writeEmptyFinal(open);
    const { block, wholeCrc, trailer } = open.writer.trailerBlock({
      endReason,
      closedMs: BigInt(Date.now()),
      env: new Map([[0, env]]),
    });
    await this.#writeOne({ parts: [block], crc32: wholeCrc }, 'the trailer');
    const { report } = this.#parts;
    const { drive } = this.#place;
    const mark = await this.#noted(drive.writeFilemarks(1, 'sync'));
    if (mark.written !== 1) throw this.#endedTooSoon();
    this.#warned ||= this.#warnedBy(mark);
    const position = await drive.position();
    this.#checkPosition(open, position.object);
    this.#open = undefined;
    this.#closedCount += 1;
    this.#closedHere += 1;
    const fragment = this.#fragmentOf(open, trailer.digest, trailer.dataBlocks);
    report({
      type: 'fragmentClosed',
      fragment,
      append: {
        fileNumber: open.fileNumber + 1,
        blockNumber: BigInt(position.object ?? expectedObject(open)),
        trailerDigest: trailer.digest,
        fragment: `${this.#parts.order.image.backupId} ${open.number}`,
      },
    });
  }

  /** False: the medium has no room for another fragment. */
  async #begin(): Promise<boolean> {
    const { order } = this.#parts;
    const { drive, volume, firstFileNumber } = this.#place;
    const number = this.#closedCount + 1;
    const fileNumber = firstFileNumber + this.#closedHere;
    const segment = randomBytes(16);
    const { object } = await drive.position();
    const writer = new FragmentWriter({
      segment,
      layout: 'blocks',
      mediaId: volume.mediaId,
      mediaAssignedMs: volume.assignedMs,
      fileNumber,
      blockSizeBytes: order.blockSizeBytes,
      writtenMs: BigInt(Date.now()),
      mediaServer: order.mediaServer,
      software: order.software,
      streams: [
        {
          stream: 0,
          image: order.image,
          copy: order.copy,
          fragment: number,
          streamBeginBytes: this.#streamBytes,
          previousSegment: this.#previousSegment,
          encryption: null,
        },
      ],
    });
    const { block, wholeCrc } = writer.headerBlock();
    const header = { parts: [block], crc32: wholeCrc };
    const result = await this.#noted(drive.writeBlocks([header]));
    // Of a fragment that fills up with its header nothing is there to close.
    if (this.#warnedBy(result) || result.endOfMedium) return false;
    if (result.written !== 1) throw new StatusError('mediaWriteError', 'no header was written');
    this.#previousSegment = segment;
    this.#open = {
      writer,
      number,
      fileNumber,
      blockNumber: object ?? 0,
      streamBeginBytes: this.#streamBytes,
      blocksMax: this.#blocksMax(),
      finalWritten: false,
    };
    return true;
  }

  #blocksMax(): bigint {
    const { maxFragmentBytes } = this.#parts.order;
    if (maxFragmentBytes === 0n) return 0n;
    const blocks = maxFragmentBytes / BigInt(this.#blockCapacityBytes);
    return blocks > 0n ? blocks : 1n;
  }

  /** False: the medium did not take all of it. What it did not take is still in the ring. */
  async #writeBatch(): Promise<boolean> {
    const { ring } = this.#parts;
    const { blocksMax, writer } = this.#open!;
    if (blocksMax > 0n && writer.dataBlocks >= blocksMax) {
      await this.close('fragmentFull', []);
      if (this.#warned || !(await this.#begin())) return false;
    }
    const open = this.#open!;
    const batch = this.#seal(open);
    const result = await this.#noted(this.#place.drive.writeBlocks(batch.blocks));
    this.#checkWritten(result, batch.blocks.length);
    this.#warned ||= this.#warnedBy(result) || result.endOfMedium;
    if (result.written < batch.blocks.length) {
      open.writer.unseal(batch.blocks.length - result.written);
      open.finalWritten = false;
    }
    ring.free(result.written);
    for (const bytes of batch.payloadBytes.slice(0, result.written)) {
      this.#streamBytes += BigInt(bytes);
    }
    return result.written === batch.blocks.length;
  }

  /** Seals what waits in the ring, at most a batch, and not beyond the fragment's end. */
  #seal(open: OpenFragment): { blocks: WriteBlock[]; payloadBytes: number[] } {
    const { ring } = this.#parts;
    const room =
      open.blocksMax === 0n ? BATCH_MAX : Number(open.blocksMax - open.writer.dataBlocks);
    const count = Math.min(ring.filled, BATCH_MAX, room);
    const blocks: WriteBlock[] = [];
    const payloadBytes: number[] = [];
    for (let n = 0; n < count; n += 1) {
      const slot = ring.peek(n);
      // Only a stream's last block is not full; a full last one is followed by an empty final block.
      const final = slot.payloadBytes < this.#blockCapacityBytes;
      const sealed = open.writer.seal(slot.block, { payloadLength: slot.payloadBytes, final });
      open.finalWritten = final;
      blocks.push({ parts: [slot.block], crc32: sealed.wholeCrc });
      payloadBytes.push(slot.payloadBytes);
    }
    return { blocks, payloadBytes };
  }

  async #writeEmptyFinal(open: OpenFragment): Promise<void> {
    const block = Buffer.alloc(this.#parts.order.blockSizeBytes);
    const sealed = open.writer.seal(block, { payloadLength: 0, final: true });
    open.finalWritten = true;
    await this.#writeOne({ parts: [block], crc32: sealed.wholeCrc }, 'the last block');
  }

  async #writeOne(block: WriteBlock, what: string): Promise<void> {
    const result = await this.#noted(this.#place.drive.writeBlocks([block]));
    if (result.written === 1) return;
    throw result.endOfMedium
      ? this.#endedTooSoon()
      : new StatusError('mediaWriteError', `${what} was not written`);
  }

  /** A drive that fails to write is told of before the stream ends with it. */
  async #noted<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      // A connection that broke says nothing of the medium.
      const isWrite = error instanceof StatusError && error.status === 'mediaWriteError';
      if (isWrite && !isOfConnection(error)) {
        const { detail } = error;
        this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_WRITE_ERROR', detail });
      }
      throw error;
    }
  }

  /** A drive stops at early warning or at the end of the medium; another short write is a failure. */
  #checkWritten(result: WriteResult, count: number): void {
    if (result.written === count || result.endOfMedium || result.earlyWarning) return;
    const { mediaId } = this.#place.volume;
    throw new StatusError(
      'mediaWriteError',
      `${mediaId}: only ${result.written} of ${count} blocks`,
    );
  }

  /** A disk has no other to go on to: there all counts that fits. */
  #warnedBy({ earlyWarning }: WriteResult): boolean {
    return earlyWarning && this.#parts.order.disk === null;
  }

  #endedTooSoon(): StatusError {
    const { order, report } = this.#parts;
    const detail = fullDetail(this.#place.volume.mediaId, this.#streamBytes);
    if (order.disk !== null) return new StatusError('diskFull', detail);
    report({ type: 'mediaEvent', event: 'MEDIA_EVENT_FULL', detail });
    return endedTooSoon(detail);
  }

  /** Fewer objects than were written means that somebody else moved the tape: nothing on it can be trusted. */
  #checkPosition(open: OpenFragment, object: number | null): void {
    if (object === null || object === expectedObject(open)) return;
    const { report } = this.#parts;
    const detail = `${this.#place.volume.mediaId} stands at object ${object}, not at ${expectedObject(open)}`;
    report({ type: 'mediaEvent', event: 'MEDIA_EVENT_POSITION_ERROR', detail });
    throw new StatusError('mediaPositionError', detail);
  }

  #fragmentOf(open: OpenFragment, digest: Uint8Array, dataBlocks: bigint): Fragment {
    const { order } = this.#parts;
    const { volume } = this.#place;
    const { mediaServer, driveIndex, blockSizeBytes, copy } = order;
    return {
      ...ALONE,
      ...{ copy, number: open.number, mediaId: volume.mediaId, mediaServer },
      ...{ density: volume.density, fileNumber: open.fileNumber },
      ...{ blockNumber: BigInt(open.blockNumber), blockSizeBytes, dataBlocks },
      streamBeginBytes: open.streamBeginBytes,
      streamEndBytes: this.#streamBytes,
      ...{ digest, mediaAssignedMs: volume.assignedMs, driveIndex },
      ...{ keyTag: new Uint8Array(0), writtenMs: BigInt(Date.now()) },
      layout: order.disk === null ? 'FRAGMENT_LAYOUT_BLOCKS' : 'FRAGMENT_LAYOUT_DISK',
    };
  }
}

/** Header, data blocks, trailer and filemark lie between a fragment's begin and the next. */
function expectedObject(open: OpenFragment): number {
  return open.blockNumber + Number(open.writer.dataBlocks) + 3;
}
