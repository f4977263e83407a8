// Where blocks go in backups that share a drive: takes turns over the streams' rings and writes their blocks into one tape
// file after the other. A stream that joins, or is to be acknowledged, ends the tape file for all; one that fails ends
// nothing but itself. Promises that what was acknowledged is closed and on the medium, and that a drive that fails ends all.

import type { EnvVar } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import type { BlockSink } from '@tapestry/storage';
import { payloadCapacity } from '@tapestry/storage/block';
import { fullDetail, fullFailure } from '../core/full-medium.ts';
import { takeTurns } from '../core/turns.ts';
import type { Bell } from './bell.ts';
import { MediumWriter } from './medium-writer.ts';
import type { FromDrive, WriteOrder } from './messages.ts';
import type { Ring } from './ring.ts';
import { type Filled, SharedFile } from './shared-file.ts';

/** Blocks handed to the drive at once. */
const BATCH_MAX = 16;
/** On slow wires blocks are not held back for longer than this to make a batch. */
const GATHER_MAX_MS = 50;

export interface TargetParts {
  readonly drive: BlockSink;
  readonly bell: Bell;
  /** Of the stream that began: what it says of volume and unit holds for all. */
  readonly order: WriteOrder;
  /** Tape file that comes first. */
  readonly firstFileNumber: number;
}

export interface MemberParts {
  readonly member: number;
  readonly order: WriteOrder;
  readonly ring: Ring;
  report(message: FromDrive): void;
}

interface Member extends MemberParts {
  streamBytes: bigint;
  fragments: number;
  previousSegment: Uint8Array;
  /** Its first block has come: it takes part in every tape file from then on. */
  entered: boolean;
  /** All that its filer sent is written. */
  ended: boolean;
  readonly written: PromiseWithResolvers<bigint>;
  closing: { readonly env: readonly EnvVar[]; readonly done: PromiseWithResolvers<void> } | null;
}

interface OpenFile {
  readonly file: SharedFile;
  readonly members: readonly Member[];
}

export class MultiplexTarget {
  readonly #parts: TargetParts;
  readonly #medium: MediumWriter;
  readonly #members = new Map<number, Member>();
  readonly #blocksMax: bigint;
  #open: OpenFile | undefined;
  #nextFileNumber: number;
  #turn = 0;
  #running = false;
  #failure: StatusError | undefined;

  constructor(parts: TargetParts) {
    this.#parts = parts;
    this.#nextFileNumber = parts.firstFileNumber;
    const { maxFragmentBytes, blockSizeBytes, volume } = parts.order;
    const blocks = maxFragmentBytes / BigInt(payloadCapacity(blockSizeBytes));
    this.#blocksMax = maxFragmentBytes > 0n && blocks === 0n ? 1n : blocks;
    this.#medium = new MediumWriter({
      ...{ drive: parts.drive, mediaId: volume.mediaId },
      report: (message) => this.#anyone()?.report(message),
      full: () => this.#full(),
    });
  }

  /** Tape file that is being written, or comes next. */
  get fileNumber(): number {
    return this.#open?.file.fileNumber ?? this.#nextFileNumber;
  }

  /** Throws what ended the drive, when it has ended. */
  join(parts: MemberParts): void {
    if (this.#failure !== undefined) throw this.#failure;
    const written = Promise.withResolvers<bigint>();
    // Whoever waits for it handles its failure; a stream that was broken off does not wait.
    written.promise.catch(() => undefined);
    this.#members.set(parts.member, {
      ...parts,
      ...{ streamBytes: 0n, fragments: 0, previousSegment: new Uint8Array(0) },
      ...{ entered: false, ended: false, written, closing: null },
    });
    if (!this.#running) void this.#run();
  }

  /** Resolves with the stream's bytes once its ring has ended and all is written. */
  writeStream(member: number): Promise<bigint> {
    return this.#member(member).written.promise;
  }

  /** Resolves when all of the stream is durable and told of. The stream has left then. */
  closeFragment(member: number, env: readonly EnvVar[]): Promise<void> {
    const found = this.#member(member);
    const done = Promise.withResolvers<void>();
    found.closing = { env, done };
    this.#parts.bell.ring();
    return done.promise;
  }

  /** The stream is over without success, or has left before: its ring is not touched again. */
  leave(member: number): void {
    const found = this.#members.get(member);
    if (found === undefined) return;
    this.#members.delete(member);
    rejectAll(found, new StatusError('interrupted', 'the stream was broken off'));
    this.#parts.bell.ring();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#members.size > 0) {
        const seen = this.#parts.bell.count;
        if (await this.#step(false)) continue;
        await this.#parts.bell.after(seen, GATHER_MAX_MS);
        await this.#step(true);
      }
    } catch (error) {
      this.#failure = asStatusError(error, 'tapeMgrSystemError');
      for (const member of this.#members.values()) rejectAll(member, this.#failure);
      this.#members.clear();
    } finally {
      this.#running = false;
    }
  }

  /** One thing that is to be done; false: nothing was. `gathered`: few blocks are enough. */
  async #step(gathered: boolean): Promise<boolean> {
    const members = [...this.#members.values()];
    for (const member of members) noteEnd(member);
    const open = this.#open;
    const joining = members.filter((each) => hasWork(each) && !open?.members.includes(each));
    if (open === undefined) {
      if (joining.length === 0) return false;
      await this.#begin();
      return true;
    }
    const leaving = members.some(({ ended, closing }) => ended && closing !== null);
    const isFull = this.#blocksMax > 0n && open.file.dataBlocks >= this.#blocksMax;
    if (joining.length > 0 || leaving || isFull) {
      await this.#close(open);
      return true;
    }
    return this.#writeBatch(open, gathered);
  }

  async #begin(): Promise<void> {
    const members = [...this.#members.values()].filter((each) => each.entered || hasWork(each));
    for (const member of members) member.entered = true;
    const streams = members.map(({ order, fragments, streamBytes, previousSegment }) => ({
      ...{ order, fragment: fragments + 1, beginBytes: streamBytes, previousSegment },
    }));
    const file = await SharedFile.begin(this.#medium, this.#nextFileNumber, streams);
    this.#open = { file, members };
  }

  async #writeBatch({ file, members }: OpenFile, gathered: boolean): Promise<boolean> {
    const turn = this.#turn % members.length;
    const order = [...members.keys()].map((i) => (i + turn) % members.length);
    const waiting = order.map((at) => this.#waiting(members[at]!));
    const sum = waiting.reduce((all, each) => all + each, 0);
    const isReady = order.some((at, i) => waiting[i]! > 0 && isWorthIt(members[at]!.ring));
    if (sum === 0 || !(gathered || isReady)) return false;
    this.#turn = turn + 1;
    const room = this.#blocksMax === 0n ? BATCH_MAX : Number(this.#blocksMax - file.dataBlocks);
    const counts = takeTurns(waiting, Math.min(BATCH_MAX, room));
    const filled = order.flatMap((at, i) => slotsOf(members[at]!.ring, at, counts[i]!));
    await file.write(filled);
    for (const [i, at] of order.entries()) members[at]!.ring.free(counts[i]!);
    for (const { at, payloadBytes } of filled) members[at]!.streamBytes += BigInt(payloadBytes);
    return true;
  }

  /** A ring that was stopped, or whose stream has left, is not touched. */
  #waiting({ member, ring }: Member): number {
    return this.#members.has(member) && !ring.stopped ? ring.filled : 0;
  }

  async #close({ file, members }: OpenFile): Promise<void> {
    const here = members.map((each) => this.#members.has(each.member));
    const ends = members.map(({ ended, closing }, at) => {
      if (!here[at]) return { endReason: 'aborted', env: [] } as const;
      const isLast = ended && closing !== null;
      return isLast
        ? ({ endReason: 'streamEnd', env: closing.env } as const)
        : ({ endReason: 'fragmentFull', env: [] } as const);
    });
    const closed = await file.close(ends);
    this.#open = undefined;
    this.#nextFileNumber += 1;
    for (const [at, member] of members.entries()) {
      if (!this.#members.has(member.member)) continue;
      member.fragments += 1;
      member.previousSegment = file.segment;
      member.report({ type: 'fragmentClosed', ...closed[at]! });
      if (ends[at]!.endReason !== 'streamEnd') continue;
      this.#members.delete(member.member);
      member.closing!.done.resolve();
    }
  }

  #full(): StatusError {
    const { order, firstFileNumber } = this.#parts;
    const { mediaId } = order.volume;
    const members = [...this.#members.values()];
    const bytes = members.reduce((sum, each) => sum + each.streamBytes, 0n);
    const detail =
      members.length === 1
        ? fullDetail(mediaId, bytes)
        : `${mediaId} is full after ${bytes} bytes of ${members.length} images that share it`;
    this.#anyone()?.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_FULL', detail });
    const alone = members.length === 1 && firstFileNumber === 1 && this.fileNumber === 1;
    return fullFailure(detail, alone);
  }

  #anyone(): Member | undefined {
    return [...this.#members.values()][0];
  }

  #member(member: number): Member {
    const found = this.#members.get(member);
    if (found !== undefined) return found;
    throw this.#failure ?? new StatusError('interrupted', 'the stream was broken off');
  }
}

/** Something of it is to be written, or it waits to be acknowledged. */
function hasWork({ ring, ended, closing }: Member): boolean {
  return (!ring.stopped && ring.filled > 0) || (ended && closing !== null);
}

function noteEnd(member: Member): void {
  const { ring } = member;
  if (member.ended || ring.stopped || !ring.ended || ring.filled > 0) return;
  member.ended = true;
  member.written.resolve(member.streamBytes);
}

function isWorthIt(ring: Ring): boolean {
  return ring.ended || ring.filled >= ring.memory.wakeBlocks;
}

function slotsOf(ring: Ring, at: number, count: number): Filled[] {
  return Array.from({ length: count }, (_, n) => {
    const { block, payloadBytes } = ring.peek(n);
    return { at, block, payloadBytes };
  });
}

function rejectAll({ written, closing }: Member, error: StatusError): void {
  written.reject(error);
  closing?.done.reject(error);
}
