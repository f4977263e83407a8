// The backup stream's way into a socket: a few large buffers, filled in place by file reads and sent
// whole. When all of them wait for the peer, the producer waits too; memory never grows.

import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Progress } from '../core/progress.ts';

const BUFFER_BYTES = 1024 * 1024;
const BUFFERS = 4;
/** Let the event loop run after so many buffers, even when the socket takes all at once. */
const BUFFERS_A_TURN = 8;

export class StreamSink {
  readonly #socket: Socket;
  readonly #progress: Progress;
  readonly #free: Buffer[] = [];
  #current: Buffer;
  #filled = 0;
  #flushedBytes = 0;
  #sinceTurn = 0;
  #wake: (() => void) | undefined;
  #error: Error | undefined;

  constructor(socket: Socket, progress: Progress) {
    this.#socket = socket;
    this.#progress = progress;
    for (let i = 1; i < BUFFERS; i += 1) this.#free.push(Buffer.allocUnsafeSlow(BUFFER_BYTES));
    this.#current = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  /** Bytes put so far: the stream offset of the next one. */
  get position(): number {
    return this.#flushedBytes + this.#filled;
  }

  /** The unfilled part of the current buffer, at least one byte: read into it, then `advance`. */
  get space(): Buffer {
    return this.#current.subarray(this.#filled);
  }

  /** Counts bytes that were put into `space`. Await the promise when there is one. */
  advance(bytes: number): Promise<void> | undefined {
    this.#filled += bytes;
    return this.#filled === BUFFER_BYTES ? this.#flush() : undefined;
  }

  /** Await the promise when there is one, before anything else is put. */
  put(bytes: Buffer): Promise<void> | undefined {
    const room = BUFFER_BYTES - this.#filled;
    if (bytes.length >= room) return this.#putLong(bytes);
    bytes.copy(this.#current, this.#filled);
    this.#filled += bytes.length;
    return undefined;
  }

  async #putLong(bytes: Buffer): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const copied = bytes.copy(this.#current, this.#filled, at);
      at += copied;
      const wait = this.advance(copied);
      if (wait !== undefined) await wait;
    }
  }

  async putZeros(count: number): Promise<void> {
    let left = count;
    while (left > 0) {
      const space = this.space;
      const part = Math.min(left, space.length);
      space.fill(0, 0, part);
      left -= part;
      const wait = this.advance(part);
      if (wait !== undefined) await wait;
    }
  }

  /** Sends the rest, closes the sending side and resolves when the kernel has it all. */
  async end(): Promise<void> {
    if (this.#filled > 0) await this.#flush();
    while (this.#free.length < BUFFERS - 1) await this.#freed();
    if (this.#error !== undefined) throw this.#error;
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.end(() => resolve());
    });
  }

  async #flush(): Promise<void> {
    const full = this.#current.subarray(0, this.#filled);
    const whole = this.#current;
    this.#socket.write(full, (error) => this.#sent(whole, full.length, error ?? undefined));
    this.#flushedBytes += this.#filled;
    this.#filled = 0;
    this.#sinceTurn += 1;
    if (this.#sinceTurn >= BUFFERS_A_TURN) {
      this.#sinceTurn = 0;
      await nextTurn();
    }
    let next = this.#free.pop();
    while (next === undefined) {
      await this.#freed();
      next = this.#free.pop();
    }
    this.#current = next;
    if (this.#error !== undefined) throw this.#error;
  }

  #sent(buffer: Buffer, bytes: number, error: Error | undefined): void {
    if (error !== undefined) this.#error ??= error;
    else this.#progress.add(bytes);
    this.#free.push(buffer);
    this.#wake?.();
  }

  #freed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
