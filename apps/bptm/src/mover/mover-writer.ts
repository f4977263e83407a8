// A backup through another host's mover: header, filemark, the mover's records, filemark, trailer, filemark for each
// fragment (media format, layout `mover`). The mover counts; what it counted is checked against data service and tape.

import { randomBytes } from 'node:crypto';
import type { EnvVar, Fragment, MoverState, VolumeSpec } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import { fragmentFileCount, type MoverFragment, moverFragment } from '@tapestry/storage';
import { ALONE } from '../core/alone.ts';
import { isOfVolume } from '../core/exchange.ts';
import { endedTooSoon, fullDetail, tooSmall } from '../core/full-medium.ts';
import type { Failure, WriteOrder } from '../drive-process/messages.ts';
import { prepareMediumForWrite } from '../drive-process/volume-check.ts';
import { lateAfter, type MoverRunParts, MoverStates, moverFailure, NO_END } from './mover-run.ts';

/** What header and trailer may be padded to, since they go over the bus. */
const RECORD_MAX_BYTES = 65_536;

interface OpenFragment {
  readonly number: number;
  /** Tape file of the header. */
  readonly file: number;
  readonly begin: bigint;
  /** NO_END, or as long as the window. */
  readonly length: bigint;
  readonly written: MoverFragment;
}

export class MoverWriter {
  readonly #parts: MoverRunParts;
  readonly #order: WriteOrder;
  readonly #recordBytes: number;
  readonly #states: MoverStates;
  /** The one in the drive. */
  #volume: VolumeSpec;
  #previousSegment = new Uint8Array(0);

  constructor(parts: MoverRunParts, order: WriteOrder) {
    this.#parts = parts;
    this.#order = order;
    this.#volume = order.volume;
    this.#recordBytes = recordBytesFor(order.blockSizeBytes, parts.fixedBlockBytes);
    this.#states = new MoverStates(parts);
  }

  get bytes(): bigint {
    return this.#states.bytes;
  }

  /** Resolves with the stream's bytes when its last fragment is closed. Errors: 84, 86, 99, 166, 234, those of the drive. */
  async run(): Promise<bigint> {
    const { drive, report } = this.#parts;
    const opened = await prepareMediumForWrite(drive, this.#volume, report, this.#padBytes);
    report({ type: 'positioned', ...opened });
    let open = await this.#begin(1, opened.fileNumber, 0n);
    await this.#listen(open);
    for (;;) {
      const stopped = await this.#untilStopped();
      if (stopped.state === 'halted') return this.#closeLast(open, stopped);
      open = await this.#goOn(open, stopped);
      await this.#parts.link.order('TAPE_OPERATION_MOVER_CONTINUE', this.#window(open));
      this.#states.ordered();
    }
  }

  /** Closes what the paused mover has written, and begins the next fragment behind it or upon another volume. */
  async #goOn(open: OpenFragment, paused: MoverState): Promise<OpenFragment> {
    const nextFile = open.file + fragmentFileCount('mover');
    if (isWindowEnd(paused) && open.length !== NO_END) {
      const end = open.begin + open.length;
      await this.#close(open, 'fragmentFull', end, []);
      return this.#begin(open.number + 1, nextFile, end);
    }
    if (paused.reason !== 'eom') {
      throw this.#noted(moverFailure(paused, 'mediaWriteError', this.#volume.mediaId));
    }
    const end = paused.bytesMoved;
    this.#reportFull(end);
    const isEmpty = end === open.begin;
    if (isEmpty && open.file === 1) throw tooSmall(this.#volume.mediaId);
    // Of a fragment that holds nothing the header stays, a tail that was never closed.
    if (!isEmpty) await this.#close(open, 'mediumFull', end, []);
    const fileNumber = await this.#nextVolume();
    return this.#begin(isEmpty ? open.number : open.number + 1, fileNumber, end);
  }

  /** Answers where the tape of another volume stands, ready to be written. */
  async #nextVolume(): Promise<number> {
    const { drive, report, needVolume } = this.#parts;
    let refused: Failure | null = null;
    const over = new AbortController();
    const watching = this.#states.keepWatching(over.signal);
    watching.catch(() => undefined);
    try {
      for (;;) {
        const { volume } = await Promise.race([needVolume('', refused), watching]);
        this.#volume = volume;
        try {
          const prepared = prepareMediumForWrite(drive, volume, report, this.#padBytes);
          const opened = await Promise.race([prepared, watching]);
          report({ type: 'positioned', ...opened });
          return opened.fileNumber;
        } catch (error) {
          const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
          if (!isOfVolume({ status, detail })) throw error;
          refused = { status, detail };
        }
      }
    } finally {
      over.abort(new Error('it goes on'));
    }
  }

  get #padBytes(): number {
    return this.#parts.fixedBlockBytes === 0 ? 0 : this.#recordBytes;
  }

  /** Leaves the tape where the mover's first record goes. */
  async #begin(number: number, file: number, begin: bigint): Promise<OpenFragment> {
    const order = this.#order;
    const { mediaServer, software, image, copy } = order;
    const volume = this.#volume;
    const segment = randomBytes(16);
    const written = moverFragment(
      {
        ...{ segment, layout: 'mover', mediaId: volume.mediaId, fileNumber: file },
        ...{ mediaAssignedMs: volume.assignedMs, blockSizeBytes: this.#recordBytes },
        ...{ writtenMs: BigInt(Date.now()), mediaServer, software },
        streams: [
          {
            ...{ stream: 0, image, copy, fragment: number, streamBeginBytes: begin },
            ...{ previousSegment: this.#previousSegment, encryption: null },
          },
        ],
      },
      this.#padBytes,
    );
    this.#previousSegment = segment;
    await this.#writeOne(written.headerBlock, 'the header');
    await this.#mark();
    const records = order.maxFragmentBytes / BigInt(this.#recordBytes);
    const length = records === 0n ? NO_END : records * BigInt(this.#recordBytes);
    return { number, file, begin, length, written };
  }

  async #listen(open: OpenFragment): Promise<void> {
    const { link, local, report } = this.#parts;
    const recordBytes = this.#recordBytes;
    const order = { writes: true, local, recordBytes, ...this.#window(open) };
    const { addresses } = await link.order('TAPE_OPERATION_MOVER_LISTEN', order);
    this.#states.ordered();
    report({ type: 'moverListening', addresses, local });
  }

  #window({ begin, length }: OpenFragment) {
    // What has no end goes to the end of all numbers, from wherever it begins.
    const windowLength = length === NO_END ? NO_END - begin : length;
    return { windowOffset: begin, windowLength };
  }

  async #untilStopped(): Promise<MoverState> {
    const over = new AbortController();
    const late = lateAfter(this.#parts.finish, over.signal);
    late.catch(() => undefined);
    try {
      for (;;) {
        const state = await Promise.race([this.#states.next(), late]);
        if (state.state === 'paused' || state.state === 'halted') return state;
      }
    } finally {
      over.abort();
    }
  }

  async #closeLast(open: OpenFragment, halted: MoverState): Promise<bigint> {
    const { finish, link, report } = this.#parts;
    const { mediaId } = this.#volume;
    if (halted.reason !== 'connectClosed') {
      throw this.#noted(moverFailure(halted, 'mediaWriteError', mediaId));
    }
    report({ type: 'endOfStream', bytes: halted.bytesMoved });
    // While the agent still makes the history durable: it takes nothing from the tape, whatever the data service says.
    await link.order('TAPE_OPERATION_MOVER_STOP');
    const { expectedBytes, env } = await finish;
    // Some movers count the padding of their last record.
    const isAll =
      halted.bytesMoved === expectedBytes ||
      halted.bytesMoved === this.#records(expectedBytes) * BigInt(this.#recordBytes);
    if (!isAll) {
      const detail = `the mover wrote ${halted.bytesMoved} bytes, the data server sent ${expectedBytes}`;
      const status = halted.bytesMoved < expectedBytes ? 'earlyEof' : 'imageInconsistent';
      throw new StatusError(status, detail);
    }
    await this.#close(open, 'streamEnd', expectedBytes, env);
    return expectedBytes;
  }

  /** Trailer and marks around what the mover wrote, and the fragment told once all of it is on the tape. */
  async #close(
    open: OpenFragment,
    endReason: 'streamEnd' | 'fragmentFull' | 'mediumFull',
    streamEndBytes: bigint,
    env: readonly EnvVar[],
  ): Promise<void> {
    const { report } = this.#parts;
    const records = this.#records(streamEndBytes - open.begin);
    await this.#checkPosition(open.file + 1, Number(records));
    await this.#mark();
    const closedMs = BigInt(Date.now());
    const { block, trailer } = open.written.trailerBlock({
      ...{ endReason, closedMs, records, streamEndBytes, env },
    });
    await this.#writeOne(block, 'the trailer');
    await this.#mark();
    const nextFile = open.file + fragmentFileCount('mover');
    await this.#checkPosition(nextFile, 0);
    report({
      type: 'fragmentClosed',
      fragment: this.#fragmentOf(open, trailer.digest, records, streamEndBytes),
      append: {
        ...{ fileNumber: nextFile, blockNumber: 0n, trailerDigest: trailer.digest },
        fragment: `${this.#order.image.backupId} ${open.number}`,
      },
    });
  }

  /** What the mover says that it wrote must be what the tape moved by. Errors: 86. */
  async #checkPosition(file: number, block: number): Promise<void> {
    const at = await this.#parts.drive.position();
    if (at.file === file && at.block === block) return;
    const { mediaId } = this.#volume;
    const detail = `${mediaId} stands at file ${at.file} block ${at.block}, not at file ${file} block ${block}`;
    this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_POSITION_ERROR', detail });
    throw new StatusError('mediaPositionError', detail);
  }

  async #writeOne(block: Uint8Array, what: string): Promise<void> {
    // Early warning is told by a refusal that wrote nothing: the block is written again, once.
    for (let tries = 0; tries < 2; tries += 1) {
      const result = await this.#try(this.#parts.drive.writeBlocks([{ parts: [block] }]));
      if (result.written === 1) return;
      if (result.endOfMedium) throw this.#full();
    }
    throw this.#noted(new StatusError('mediaWriteError', `${what} was not written`));
  }

  async #mark(): Promise<void> {
    const { written } = await this.#try(this.#parts.drive.writeFilemarks(1, 'sync'));
    if (written !== 1) throw this.#full();
  }

  async #try<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw error instanceof StatusError ? this.#noted(error) : error;
    }
  }

  #noted(error: StatusError): StatusError {
    if (error.status === 'mediaWriteError') {
      const { detail } = error;
      this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_WRITE_ERROR', detail });
    }
    return error;
  }

  #reportFull(bytes: bigint): string {
    const detail = fullDetail(this.#volume.mediaId, bytes);
    this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_FULL', detail });
    return detail;
  }

  /** The physical end came before the fragment was closed. */
  #full(): StatusError {
    return endedTooSoon(this.#reportFull(this.bytes));
  }

  #records(bytes: bigint): bigint {
    const record = BigInt(this.#recordBytes);
    return (bytes + record - 1n) / record;
  }

  #fragmentOf(
    open: OpenFragment,
    digest: Uint8Array,
    records: bigint,
    streamEndBytes: bigint,
  ): Fragment {
    const volume = this.#volume;
    const { mediaServer, driveIndex, copy } = this.#order;
    return {
      ...ALONE,
      ...{ copy, number: open.number, mediaId: volume.mediaId, mediaServer },
      ...{ density: volume.density, fileNumber: open.file, blockNumber: 0n },
      ...{ blockSizeBytes: this.#recordBytes, dataBlocks: records },
      ...{ streamBeginBytes: open.begin, streamEndBytes },
      ...{ digest, mediaAssignedMs: volume.assignedMs, driveIndex },
      ...{ keyTag: new Uint8Array(0), writtenMs: BigInt(Date.now()) },
      layout: 'FRAGMENT_LAYOUT_MOVER',
    };
  }
}

/** Some movers call the end of their window a seek. */
function isWindowEnd({ reason }: MoverState): boolean {
  return reason === 'eow' || reason === 'seek';
}

/** What was granted, where header and trailer can have that size, too, and a fixed drive takes it. */
function recordBytesFor(grantedBytes: number, fixedBlockBytes: number): number {
  const wanted = Math.min(grantedBytes, RECORD_MAX_BYTES);
  if (fixedBlockBytes === 0) return wanted;
  return Math.max(fixedBlockBytes, wanted - (wanted % fixedBlockBytes));
}
