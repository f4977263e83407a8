// The image on its way in: asks the mover for ranges, one after the other, and hands out their bytes in
// order. A new range is asked for only when the last was received whole, as the protocol wants.

import type { Socket } from 'node:net';
import { U64_MAX } from '@tapestry/ndmp';
import type { Progress } from '../core/progress.ts';
import type { ReceiveBuffers } from './receive-buffers.ts';

/** The data connection ended before the bytes that were asked for. */
export class StreamEndError extends Error {
  override readonly name = 'StreamEndError';
}

export interface SourceOptions {
  /** What the socket receives into, where it has no 'data' events. */
  readonly received?: ReceiveBuffers | undefined;
  /** Length of the image, when known: the one range of a sequential read. */
  readonly imageBytes: number | undefined;
  /** Offsets and lengths asked for are multiples of this. */
  readonly alignBytes: number;
  ask(offset: bigint, length: bigint): void;
}

/** Asked for where a member begins: enough for the headers of nearly all. */
const HEADERS_BYTES = 4 * 1024;
/** In a folder more members follow, nobody knows how many: a range reaches on by a part of what was read so far. */
const AHEAD_PART = 16;
const AHEAD_BYTES_MAX = 256 * 1024;
const QUEUED_BYTES_MAX = 4 * 1024 * 1024;

export class StreamSource {
  readonly #socket: Socket;
  readonly #progress: Progress;
  readonly #options: SourceOptions;
  /** What comes after `#head`. */
  readonly #queue: Buffer[] = [];
  #head: Buffer = Buffer.alloc(0);
  #headAt = 0;
  /** Received and not handed out. */
  #queuedBytes = 0;
  #position = 0;
  #rangeEnd = 0;
  #plannedEnd = 0;
  /** Where the folder that is read on and on began. */
  #folderAt: number | undefined;
  #isEnded = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, progress: Progress, options: SourceOptions) {
    this.#socket = socket;
    this.#progress = progress;
    this.#options = options;
    socket.on('end', () => this.#onEnd(undefined));
    socket.on('error', (error) => this.#onEnd(error));
    if (options.received === undefined) socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    else options.received.start(socket, (piece) => this.#onData(piece));
  }

  /** Stream offset of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** One range for the whole image: sequential reading. */
  planAll(): void {
    this.#plannedEnd = this.#options.imageBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Members are read on and on from here, until one lies elsewhere or the next `seek`. */
  readOn(): void {
    this.#folderAt = this.#position;
  }

  /** Bytes before `end` will be needed: ask for them at once rather than piecemeal. */
  plan(end: number): void {
    this.#plannedEnd = Math.max(this.#plannedEnd, end);
  }

  /** Exactly `length` bytes, as a copy. */
  async read(length: number): Promise<Buffer> {
    const whole = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) at += (await this.chunk(length - at)).copy(whole, at);
    return whole;
  }

  /** Between one and `max` bytes, as they came; they are gone with the next wait. */
  async chunk(max: number): Promise<Buffer> {
    if (this.#position >= this.#rangeEnd) await this.#nextRange();
    if (this.#headAt === this.#head.length) await this.#more();
    const taken = this.#head.subarray(this.#headAt, this.#headAt + max);
    this.advance(taken.length);
    return taken;
  }

  /** Bytes that are here, from `readyAt` to `readyEnd`; they stay until `advance` passes over them. */
  get ready(): Buffer {
    return this.#head;
  }

  get readyAt(): number {
    return this.#headAt;
  }

  get readyEnd(): number {
    return Math.min(this.#head.length, this.#headAt + this.#rangeEnd - this.#position);
  }

  /** Passes over bytes that are ready. */
  advance(bytes: number): void {
    this.#headAt += bytes;
    this.#position += bytes;
    this.#queuedBytes -= bytes;
    this.#options.received?.pass(bytes);
    if (this.#queuedBytes < QUEUED_BYTES_MAX / 2 && this.#socket.isPaused()) this.#socket.resume();
  }

  /**
   * Makes more bytes ready without waiting, up to `wanted` where that many are here; false when there are none. Only the
   * seam between two pieces is copied.
   */
  grow(wanted: number): boolean {
    const next = this.#queue.shift();
    if (next === undefined) return false;
    const rest = this.#head.subarray(this.#headAt);
    const missing = Math.min(Math.max(wanted - rest.length, 1), next.length);
    const isWhole = rest.length === 0 || missing === next.length;
    if (!isWhole) this.#queue.unshift(next.subarray(missing));
    const taken = isWhole ? next : next.subarray(0, missing);
    this.#head = rest.length === 0 ? taken : Buffer.concat([rest, taken]);
    this.#headAt = 0;
    return true;
  }

  /** Waits until `grow` would do; false when nothing more comes of the range that was asked for. */
  async canGrow(): Promise<boolean> {
    if (this.#queuedBytes >= this.#rangeEnd - this.#position) return false;
    while (this.#queue.length === 0 && !this.#isEnded && this.#error === undefined) {
      await this.#received();
    }
    return this.#queue.length > 0;
  }

  async skip(length: number): Promise<void> {
    let left = length;
    while (left > 0) left -= (await this.chunk(left)).length;
  }

  /** Goes to an offset: through the running range where it leads there, else by a range of its own. */
  async seek(offset: number): Promise<void> {
    this.#folderAt = undefined;
    if (offset >= this.#position && offset < this.#rangeEnd) {
      await this.skip(offset - this.#position);
      return;
    }
    if (!Number.isFinite(this.#rangeEnd)) {
      throw new StreamEndError(
        'the image cannot be read again: its length is not in the environment',
      );
    }
    await this.skip(Math.max(0, this.#rangeEnd - this.#position));
    this.#position = offset;
    this.#rangeEnd = 0;
  }

  async #nextRange(): Promise<void> {
    const { imageBytes, alignBytes } = this.#options;
    const from = Math.floor(this.#position / alignBytes) * alignBytes;
    const wanted = this.#wantedEnd();
    const aligned = Math.ceil(wanted / alignBytes) * alignBytes;
    const known = imageBytes ?? Number.POSITIVE_INFINITY;
    // A tape holds whole records: where ranges must be aligned, the last one may pass the image's end.
    const end = alignBytes === 1 ? Math.min(aligned, Math.max(known, this.#position + 1)) : aligned;
    this.#plannedEnd = 0;
    this.#rangeEnd = end;
    const length = Number.isFinite(end) ? BigInt(end - from) : U64_MAX;
    this.#options.ask(BigInt(from), length);
    const lead = this.#position - from;
    this.#position = from;
    await this.skip(lead);
  }

  /** No further than is sure to be needed, but for headers: on a tape, what is read too much takes its time. */
  #wantedEnd(): number {
    const isPlanned = this.#plannedEnd > this.#position;
    const end = isPlanned ? this.#plannedEnd : this.#position + HEADERS_BYTES;
    if (this.#folderAt === undefined) return end;
    const steps = Math.floor((this.#position - this.#folderAt) / AHEAD_PART / HEADERS_BYTES);
    const ahead = Math.min(Math.max(steps, 1) * HEADERS_BYTES, AHEAD_BYTES_MAX);
    return Math.max(end, this.#position + ahead);
  }

  /** The next piece becomes the head. */
  async #more(): Promise<void> {
    while (!this.grow(1)) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#isEnded) {
        throw new StreamEndError(`the image ends at byte ${this.#position}, more was expected`);
      }
      await this.#received();
    }
  }

  #received(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #onData(chunk: Buffer): void {
    this.#progress.add(chunk.length);
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= QUEUED_BYTES_MAX) this.#socket.pause();
    this.#wake?.();
  }

  #onEnd(error: Error | undefined): void {
    this.#isEnded = true;
    this.#error ??= error;
    this.#wake?.();
  }
}
