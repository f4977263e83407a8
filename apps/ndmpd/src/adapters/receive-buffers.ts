// Where a connection that was dialled receives: a few buffers in turn. Node would make a new one for each read, and
// finding them again as garbage takes longer than reading into them.

import type { OnReadOpts, Socket } from 'node:net';

const BUFFER_BYTES = 256 * 1024;
/** A read into less would be a short one. */
const ROOM_BYTES_MIN = 64 * 1024;
/** What may come before somebody takes it. */
const EARLY_BYTES_MAX = 64 * 1024;

interface Full {
  readonly buffer: Buffer;
  /** Of all bytes received, where its last one lies. */
  readonly end: number;
}

export class ReceiveBuffers {
  /** For the socket, when it is made. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#room(),
    callback: (bytes) => this.#received(bytes),
  };
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;
  readonly #full: Full[] = [];
  readonly #free: Buffer[] = [];
  #receivedBytes = 0;
  #passedBytes = 0;
  #early: Buffer[] = [];
  #take: ((piece: Buffer) => void) | undefined;

  /** From now on `take` gets what is received; its bytes stay where they are until they are passed. */
  start(socket: Socket, take: (piece: Buffer) => void): void {
    this.#take = take;
    for (const piece of this.#early.splice(0)) take(piece);
    socket.resume();
  }

  /** So many more bytes, in their order, need not stay any longer. */
  pass(bytes: number): void {
    this.#passedBytes += bytes;
    while ((this.#full[0]?.end ?? Number.POSITIVE_INFINITY) <= this.#passedBytes) {
      this.#free.push((this.#full.shift() as Full).buffer);
    }
  }

  /** Nothing that is received is wanted any more. */
  drop(): void {
    this.#take = (piece) => this.pass(piece.length);
    this.pass(this.#receivedBytes - this.#passedBytes);
  }

  #room(): Buffer {
    if (BUFFER_BYTES - this.#used < ROOM_BYTES_MIN) {
      this.#full.push({ buffer: this.#buffer, end: this.#receivedBytes });
      this.#buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
      this.#used = 0;
    }
    return this.#buffer.subarray(this.#used);
  }

  /** False stops the reading. */
  #received(bytes: number): boolean {
    const piece = this.#buffer.subarray(this.#used, this.#used + bytes);
    this.#used += bytes;
    this.#receivedBytes += bytes;
    if (this.#take !== undefined) this.#take(piece);
    else this.#early.push(piece);
    return this.#take !== undefined || this.#receivedBytes < EARLY_BYTES_MAX;
  }
}
