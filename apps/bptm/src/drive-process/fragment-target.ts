// Where blocks go in a backup: takes filled slots from the ring, seals them in place, writes them in batches, and opens and
// closes fragments. Nothing is allocated per block but the drive's own call.

import { randomBytes } from 'node:crypto';
import type { EnvVar, Fragment } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  type BlockSink,
  FragmentWriter,
  type WriteBlock,
  type WriteResult,
} from '@tapestry/storage';
import { payloadCapacity } from '@tapestry/storage/block';
import { ALONE } from '../core/alone.ts';
import { fullDetail, fullFailure } from '../core/full-medium.ts';
import type { FromDrive, WriteOrder } from './messages.ts';
import { isOfConnection, nextTurn } from './network-drive.ts';
import type { Ring } from './ring.ts';

/** Blocks handed to the drive at once: enough to make a call cheap, few enough to give slots back early. */
const BATCH_MAX = 16;
/** On a slow wire blocks are not held back for longer than this to make a batch. */
const GATHER_MAX_MS = 50;

export interface TargetParts {
  readonly drive: BlockSink;
  readonly ring: Ring;
  readonly order: WriteOrder;
  readonly report: (message: FromDrive) => void;
  /** Tape file that the first fragment becomes. */
  readonly firstFileNumber: number;
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
  #open: OpenFragment | undefined;
  #closedCount = 0;
  #streamBytes = 0n;
  #previousSegment = new Uint8Array(0);

  constructor(parts: TargetParts) {
    this.#parts = parts;
    this.#blockCapacityBytes = payloadCapacity(parts.order.blockSizeBytes);
  }

  /** Resolves with the payload bytes when the ring has ended and all is written. Errors: 84, 129, 166, 234. */
  async writeStream(): Promise<bigint> {
    const { ring } = this.#parts;
    this.#open ??= await this.#begin();
    for (;;) {
      const enough = (): boolean => ring.filled >= ring.memory.wakeBlocks || ring.ended;
      ring.waitSync('blocks', enough, GATHER_MAX_MS);
      if (ring.stopped) throw new StatusError('interrupted', 'the stream was broken off');
      if (ring.filled > 0) await this.#writeBatch();
      else if (ring.ended) return this.#streamBytes;
      // A drive on the network wants its pings answered while no data comes.
      else await nextTurn();
    }
  }

  /** Ends the open fragment durably and reports it. */
  async close(endReason: 'streamEnd' | 'fragmentFull', env: readonly EnvVar[]): Promise<void> {
    const open = this.#open!;
    if (!open.finalWritten) await this.#writeEmptyFinal(open);
    const { block, wholeCrc, trailer } = open.writer.trailerBlock({
      endReason,
      closedMs: BigInt(Date.now()),
      env: new Map([[0, env]]),
    });
    await this.#writeOne({ parts: [block], crc32: wholeCrc }, 'the trailer');
    const { drive, report } = this.#parts;
    const mark = await this.#noted(drive.writeFilemarks(1, 'sync'));
    if (mark.written !== 1) throw this.#full();
    const position = await drive.position();
    this.#checkPosition(open, position.object);
    this.#open = undefined;
    this.#closedCount += 1;
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

  async #begin(): Promise<OpenFragment> {
    const { drive, order, firstFileNumber } = this.#parts;
    const number = this.#closedCount + 1;
    const fileNumber = firstFileNumber + this.#closedCount;
    const segment = randomBytes(16);
    const { object } = await drive.position();
    const writer = new FragmentWriter({
      segment,
      layout: 'blocks',
      mediaId: order.volume.mediaId,
      mediaAssignedMs: order.volume.assignedMs,
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
    this.#previousSegment = segment;
    const { block, wholeCrc } = writer.headerBlock();
    await this.#writeOne({ parts: [block], crc32: wholeCrc }, 'the header');
    return {
      writer,
      number,
      fileNumber,
      blockNumber: object ?? 0,
      streamBeginBytes: this.#streamBytes,
      blocksMax: this.#blocksMax(),
      finalWritten: false,
    };
  }

  #blocksMax(): bigint {
    const { maxFragmentBytes } = this.#parts.order;
    if (maxFragmentBytes === 0n) return 0n;
    const blocks = maxFragmentBytes / BigInt(this.#blockCapacityBytes);
    return blocks > 0n ? blocks : 1n;
  }

  async #writeBatch(): Promise<void> {
    const { ring, drive } = this.#parts;
    let open = this.#open ?? (await this.#begin());
    this.#open = open;
    const isFull = open.blocksMax > 0n && open.writer.dataBlocks >= open.blocksMax;
    if (isFull) {
      await this.close('fragmentFull', []);
      open = await this.#begin();
      this.#open = open;
    }
    const batch = this.#seal(open);
    const result = await this.#noted(drive.writeBlocks(batch.blocks));
    this.#checkWritten(result, batch.blocks.length);
    ring.free(batch.blocks.length);
    this.#streamBytes += BigInt(batch.payloadBytes);
  }

  /** Seals what waits in the ring, at most a batch, and not beyond the fragment's end. */
  #seal(open: OpenFragment): { blocks: WriteBlock[]; payloadBytes: number } {
    const { ring } = this.#parts;
    const room =
      open.blocksMax === 0n ? BATCH_MAX : Number(open.blocksMax - open.writer.dataBlocks);
    const count = Math.min(ring.filled, BATCH_MAX, room);
    const blocks: WriteBlock[] = [];
    let payloadBytes = 0;
    for (let n = 0; n < count; n += 1) {
      const slot = ring.peek(n);
      // Only a stream's last block is not full; a full last one is followed by an empty final block.
      const final = slot.payloadBytes < this.#blockCapacityBytes;
      const sealed = open.writer.seal(slot.block, { payloadLength: slot.payloadBytes, final });
      open.finalWritten = final;
      blocks.push({ parts: [slot.block], crc32: sealed.wholeCrc });
      payloadBytes += slot.payloadBytes;
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
    const result = await this.#noted(this.#parts.drive.writeBlocks([block]));
    if (result.written === 1) return;
    throw result.endOfMedium
      ? this.#full()
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

  /** Past early warning data still fits for a while: the medium counts as full when a block does not. */
  #checkWritten(result: WriteResult, count: number): void {
    if (result.written === count) return;
    if (result.endOfMedium || result.earlyWarning) throw this.#full();
    const { mediaId } = this.#parts.order.volume;
    throw new StatusError(
      'mediaWriteError',
      `${mediaId}: only ${result.written} of ${count} blocks`,
    );
  }

  #full(): StatusError {
    const { order, report, firstFileNumber } = this.#parts;
    const { mediaId } = order.volume;
    const detail = fullDetail(mediaId, this.#streamBytes);
    if (order.disk !== null) return new StatusError('diskFull', detail);
    report({ type: 'mediaEvent', event: 'MEDIA_EVENT_FULL', detail });
    return fullFailure(detail, firstFileNumber === 1);
  }

  /** Fewer objects than were written means that somebody else moved the tape: nothing on it can be trusted. */
  #checkPosition(open: OpenFragment, object: number | null): void {
    if (object === null || object === expectedObject(open)) return;
    const { report, order } = this.#parts;
    const detail = `${order.volume.mediaId} stands at object ${object}, not at ${expectedObject(open)}`;
    report({ type: 'mediaEvent', event: 'MEDIA_EVENT_POSITION_ERROR', detail });
    throw new StatusError('mediaPositionError', detail);
  }

  #fragmentOf(open: OpenFragment, digest: Uint8Array, dataBlocks: bigint): Fragment {
    const { order } = this.#parts;
    const { volume, mediaServer, driveIndex, blockSizeBytes, copy } = order;
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
