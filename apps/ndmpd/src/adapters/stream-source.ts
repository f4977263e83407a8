// The image on its way in: asks the mover for ranges, one after the other, and hands out their bytes in
// order. A new range is asked for only when the last was received whole, as the protocol wants.

import type { Socket } from 'node:net';
import { U64_MAX } from '@tapestry/ndmp';
import type { Progress } from '../core/progress.ts';

/** The data connection ended before the bytes that were asked for. */
export class StreamEndError extends Error {
  override readonly name = 'StreamEndError';
}

export interface SourceOptions {
  /** Length of the image, when known: the one range of a sequential read. */
  readonly imageBytes: number | undefined;
  /** Offsets and lengths asked for are multiples of this. */
  readonly alignBytes: number;
  ask(offset: bigint, length: bigint): void;
}

const RANGE_BYTES_MIN = 64 * 1024;
const RANGE_BYTES_MAX = 8 * 1024 * 1024;
const QUEUED_BYTES_MAX = 4 * 1024 * 1024;

export class StreamSource {
  readonly #socket: Socket;
  readonly #progress: Progress;
  readonly #options: SourceOptions;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #position = 0;
  #rangeEnd = 0;
  #rangeBytes = RANGE_BYTES_MIN;
  #plannedEnd = 0;
  #isEnded = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, progress: Progress, options: SourceOptions) {
    this.#socket = socket;
    this.#progress = progress;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd(undefined));
    socket.on('error', (error) => this.#onEnd(error));
  }

  /** Stream offset of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** One range for the whole image: sequential reading. */
  planAll(): void {
    this.#plannedEnd = this.#options.imageBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Bytes before `end` will be needed: ask for them at once rather than piecemeal. */
  plan(end: number): void {
    this.#plannedEnd = Math.max(this.#plannedEnd, end);
  }

  /** Exactly `length` bytes. */
  async read(length: number): Promise<Buffer> {
    const first = await this.chunk(length);
    if (first.length === length) return first;
    const parts = [first];
    let left = length - first.length;
    while (left > 0) {
      const part = await this.chunk(left);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** Between one and `max` bytes, as they came. */
  async chunk(max: number): Promise<Buffer> {
    if (this.#position >= this.#rangeEnd) await this.#nextRange();
    const head = this.#queue[0] ?? (await this.#more());
    const taken = head.length <= max ? head : head.subarray(0, max);
    if (taken.length === head.length) this.#queue.shift();
    else this.#queue[0] = head.subarray(taken.length);
    this.#queuedBytes -= taken.length;
    this.#position += taken.length;
    if (this.#queuedBytes < QUEUED_BYTES_MAX / 2 && this.#socket.isPaused()) this.#socket.resume();
    return taken;
  }

  async skip(length: number): Promise<void> {
    let left = length;
    while (left > 0) left -= (await this.chunk(left)).length;
  }

  /** Goes to an offset: through the running range where it leads there, else by a range of its own. */
  async seek(offset: number): Promise<void> {
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
    this.#rangeBytes = RANGE_BYTES_MIN;
  }

  async #nextRange(): Promise<void> {
    const { imageBytes, alignBytes } = this.#options;
    const from = Math.floor(this.#position / alignBytes) * alignBytes;
    const wanted = Math.max(this.#plannedEnd, this.#position + this.#rangeBytes);
    const aligned = Math.ceil(wanted / alignBytes) * alignBytes;
    const known = imageBytes ?? Number.POSITIVE_INFINITY;
    // A tape holds whole records: where ranges must be aligned, the last one may pass the image's end.
    const end = alignBytes === 1 ? Math.min(aligned, Math.max(known, this.#position + 1)) : aligned;
    this.#rangeBytes = Math.min(this.#rangeBytes * 2, RANGE_BYTES_MAX);
    this.#plannedEnd = 0;
    this.#rangeEnd = end;
    const length = Number.isFinite(end) ? BigInt(end - from) : U64_MAX;
    this.#options.ask(BigInt(from), length);
    const lead = this.#position - from;
    this.#position = from;
    await this.skip(lead);
  }

  async #more(): Promise<Buffer> {
    for (;;) {
      const head = this.#queue[0];
      if (head !== undefined) return head;
      if (this.#error !== undefined) throw this.#error;
      if (this.#isEnded) {
        throw new StreamEndError(`the image ends at byte ${this.#position}, more was expected`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
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
