// Where blocks go in backups that share a drive: takes turns over the streams' rings and writes their blocks into one tape
// file after the other. A stream that joins, or is to be acknowledged, ends the tape file for all; one that fails ends
// nothing but itself. Promises that what was acknowledged is closed and on the medium, and that a drive that fails ends all.

import type { EnvVar, VolumeSpec } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import type { BlockSink } from '@tapestry/storage';
import { payloadCapacity } from '@tapestry/storage/block';
import { endedTooSoon, fullDetail, tooSmall } from '../core/full-medium.ts';
import { takeTurns } from '../core/turns.ts';
import type { Bell } from './bell.ts';
import type { Written } from './fragment-target.ts';
import { MediumWriter } from './medium-writer.ts';
import type { FromDrive, WriteOrder } from './messages.ts';
import type { Ring } from './ring.ts';
import { type Filled, SharedFile } from './shared-file.ts';

/** Blocks handed to the drive at once. */
const BATCH_MAX = 16;
/** On slow wires blocks are not held back for longer than this to make a batch. */
const GATHER_MAX_MS = 50;
/** While another volume is waited for there is nothing to look after but the bell. */
const AWAITING_LOOK_MS = 1_000;
/** Who has sent all gets so long to be acknowledged on a medium that is full. */
const FINISH_ON_FULL_MS = 10_000;

export interface TargetParts {
  readonly bell: Bell;
  /** Of the stream that began: what it says of the unit holds for all. */
  readonly order: WriteOrder;
}

/** Where the tape files go. */
export interface TargetPlace {
  readonly drive: BlockSink;
  readonly volume: VolumeSpec;
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
  /** It brings another volume. */
  away: boolean;
  /** Of the call that waits for the stream's end, or for that of the medium. */
  written: PromiseWithResolvers<Written> | null;
  closing: { readonly env: readonly EnvVar[]; readonly done: PromiseWithResolvers<void> } | null;
}

interface OpenFile {
  readonly file: SharedFile;
  readonly members: readonly Member[];
}

export class MultiplexTarget {
  readonly #parts: TargetParts;
  #place: TargetPlace;
  #medium: MediumWriter;
  /** Set while another volume is waited for: since when nothing can be written. */
  #awaiting = false;
  readonly #members = new Map<number, Member>();
  readonly #blocksMax: bigint;
  #open: OpenFile | undefined;
  #nextFileNumber: number;
  #turn = 0;
  #running = false;
  /** Since when the medium is past early warning. */
  #warnedMs: number | undefined;
  #failure: StatusError | undefined;

  constructor(parts: TargetParts, place: TargetPlace) {
    this.#parts = parts;
    const { maxFragmentBytes, blockSizeBytes } = parts.order;
    const blocks = maxFragmentBytes / BigInt(payloadCapacity(blockSizeBytes));
    this.#blocksMax = maxFragmentBytes > 0n && blocks === 0n ? 1n : blocks;
    this.#place = place;
    this.#nextFileNumber = place.firstFileNumber;
    this.#medium = this.#mediumOf(place);
  }

  /** Another volume is waited for. */
  get isAwaiting(): boolean {
    return this.#awaiting;
  }

  /** All go on upon another volume. */
  continueOn(place: TargetPlace): void {
    this.#place = place;
    this.#nextFileNumber = place.firstFileNumber;
    this.#medium = this.#mediumOf(place);
    this.#awaiting = false;
    for (const member of this.#members.values()) member.away = false;
    this.#parts.bell.ring();
  }

  #mediumOf({ drive, volume }: TargetPlace): MediumWriter {
    const { mediaId } = volume;
    return new MediumWriter({
      ...{ drive, mediaId },
      report: (message) => this.#anyone()?.report(message),
      endedTooSoon: () => endedTooSoon(this.#tellFull()),
    });
  }

  /** Tape file that is being written, or comes next. */
  get fileNumber(): number {
    return this.#open?.file.fileNumber ?? this.#nextFileNumber;
  }

  /** Throws what ended the drive, when it has ended. */
  join(parts: MemberParts): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#members.set(parts.member, {
      ...parts,
      ...{ streamBytes: 0n, fragments: 0, previousSegment: new Uint8Array(0) },
      ...{ entered: false, ended: false, away: false, written: null, closing: null },
    });
    if (!this.#running) void this.#run();
  }

  /**
   * Resolves with the stream's bytes once its ring has ended and all is written; or when the medium is full: then it is
   * called again once all go on upon another.
   */
  writeStream(member: number): Promise<Written> {
    const found = this.#member(member);
    found.written ??= Promise.withResolvers<Written>();
    // Whoever waits for it handles its failure; a stream that was broken off does not wait.
    found.written.promise.catch(() => undefined);
    this.#parts.bell.ring();
    return found.written.promise;
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
    if (this.#awaiting && ![...this.#members.values()].some(({ away }) => away)) this.#sendAway();
    this.#parts.bell.ring();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#members.size > 0) {
        const seen = this.#parts.bell.count;
        if (!this.#awaiting && (await this.#step(false))) continue;
        await this.#parts.bell.after(seen, this.#awaiting ? AWAITING_LOOK_MS : GATHER_MAX_MS);
        if (!this.#awaiting) await this.#step(true);
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
    if (this.#medium.warned && (leaving || !this.#isWaitedFor(open))) {
      await this.#close(open, 'mediumFull');
      this.#goAway();
      return true;
    }
    if (this.#medium.warned) return false;
    if (joining.length > 0 || leaving || isFull) {
      await this.#close(open, 'fragmentFull');
      return true;
    }
    return this.#writeBatch(open, gathered);
  }

  /** The medium takes no more data: those that have sent all may be acknowledged in a moment, and need no other. */
  #isWaitedFor({ members }: OpenFile): boolean {
    this.#warnedMs ??= performance.now();
    if (performance.now() - this.#warnedMs > FINISH_ON_FULL_MS) return false;
    return members.some(({ member, ended }) => ended && this.#members.has(member));
  }

  /** Every stream that waits for the end of its data is told that it goes on upon another volume. */
  #goAway(): void {
    this.#tellFull();
    this.#warnedMs = undefined;
    this.#awaiting = true;
    this.#sendAway();
  }

  /** Those who wait for the end of their data bring the other volume. */
  #sendAway(): void {
    const waiting = [...this.#members.values()].filter(({ written }) => written !== null);
    for (const member of waiting) {
      member.away = true;
      member.written?.resolve({ bytes: member.streamBytes, full: true });
      member.written = null;
    }
    if (waiting.length > 0) return;
    // Only such as have sent all are left, and nobody said in time that it was well.
    const { mediaId } = this.#place.volume;
    const detail = `${mediaId} is full, and the data server has not said that it was well`;
    for (const member of [...this.#members.values()]) {
      this.#members.delete(member.member);
      rejectAll(member, new StatusError('mediaWriteError', detail));
    }
  }

  async #begin(): Promise<void> {
    const members = [...this.#members.values()].filter((each) => each.entered || hasWork(each));
    for (const member of members) member.entered = true;
    const streams = members.map(({ order, fragments, streamBytes, previousSegment }) => ({
      ...{ order, fragment: fragments + 1, beginBytes: streamBytes, previousSegment },
    }));
    const { volume, firstFileNumber } = this.#place;
    const fileNumber = this.#nextFileNumber;
    const file = await SharedFile.begin({ medium: this.#medium, volume, fileNumber }, streams);
    if (file !== null) this.#open = { file, members };
    else if (fileNumber > Math.min(1, firstFileNumber)) this.#goAway();
    else throw tooSmall(volume.mediaId);
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
    const written = await file.write(filled);
    for (const { at, payloadBytes } of filled.slice(0, written)) {
      const member = members[at]!;
      member.ring.free(1);
      member.streamBytes += BigInt(payloadBytes);
    }
    return true;
  }

  /** A ring that was stopped, or whose stream has left, is not touched. */
  #waiting({ member, ring }: Member): number {
    return this.#members.has(member) && !ring.stopped ? ring.filled : 0;
  }

  async #close({ file, members }: OpenFile, goesOn: 'fragmentFull' | 'mediumFull'): Promise<void> {
    const here = members.map((each) => this.#members.has(each.member));
    const ends = members.map(({ ended, closing }, at) => {
      if (!here[at]) return { endReason: 'aborted', env: [] } as const;
      const isLast = ended && closing !== null;
      return isLast
        ? ({ endReason: 'streamEnd', env: closing.env } as const)
        : ({ endReason: goesOn, env: [] } as const);
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

  /** Once for each volume. */
  #tellFull(): string {
    const { mediaId } = this.#place.volume;
    const members = [...this.#members.values()];
    const bytes = members.reduce((sum, each) => sum + each.streamBytes, 0n);
    const detail =
      members.length === 1
        ? fullDetail(mediaId, bytes)
        : `${mediaId} is full after ${bytes} bytes of ${members.length} images that share it`;
    this.#anyone()?.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_FULL', detail });
    return detail;
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
  // Told once it is asked for.
  if (member.written === null) return;
  member.ended = true;
  member.written.resolve({ bytes: member.streamBytes, full: false });
  member.written = null;
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
  written?.reject(error);
  closing?.done.reject(error);
}
