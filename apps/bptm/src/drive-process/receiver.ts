// The producing side of a backup: the filer's connection fills the ring's slots, payload at its place in the block.
// When the drive is slower than the wire the socket is not read, and TCP holds the filer back.

import type net from 'node:net';
import { PAYLOAD_OFFSET } from '@tapestry/storage/block';
import { type ByteSink, readInto } from './accepted-socket.ts';
import type { Ring } from './ring.ts';

export interface ReceiverEvents {
  /** The filer closed in order after this many bytes; all of them are in the ring. */
  onEnd(totalBytes: bigint): void;
  /** The connection broke. What the ring holds is no whole stream. */
  onBroken(error: Error): void;
}

export class Receiver {
  readonly #ring: Ring;
  readonly #socket: net.Socket;
  #filledBytes = 0;
  #totalBytes = 0n;
  #over = false;

  constructor(ring: Ring, accepted: net.Socket, events: ReceiverEvents) {
    this.#ring = ring;
    const sink: ByteSink = {
      buffer: () => this.#room(),
      filled: (byteCount) => this.#took(byteCount),
    };
    this.#socket = readInto(accepted, sink);
    this.#socket.setKeepAlive(true, 60_000);
    this.#socket.on('error', (error) => {
      if (this.#finish()) events.onBroken(error);
    });
    this.#socket.on('end', () => {
      if (!this.#finish()) return;
      if (this.#filledBytes > 0) ring.publish(PAYLOAD_OFFSET, this.#filledBytes);
      ring.end();
      events.onEnd(this.#totalBytes);
    });
    this.#socket.on('close', () => {
      if (this.#finish()) events.onBroken(new Error('the data connection was closed'));
    });
    this.#socket.resume();
  }

  /** Payload bytes received so far. */
  get totalBytes(): bigint {
    return this.#totalBytes;
  }

  /** Ends the connection with a reset, so that the filer cannot take it for an orderly end. */
  destroy(): void {
    this.#over = true;
    this.#socket.resetAndDestroy();
  }

  /** While the ring is full this names memory of the drive thread; `#took` has stopped reading by then. */
  #room(): Uint8Array {
    const block = this.#ring.nextBlock();
    return block.subarray(
      PAYLOAD_OFFSET + this.#filledBytes,
      PAYLOAD_OFFSET + this.#ring.payloadBytesMax,
    );
  }

  #took(byteCount: number): boolean {
    this.#totalBytes += BigInt(byteCount);
    this.#filledBytes += byteCount;
    if (this.#filledBytes < this.#ring.payloadBytesMax) return true;
    this.#ring.publish(PAYLOAD_OFFSET, this.#filledBytes);
    this.#filledBytes = 0;
    if (this.#ring.hasRoom) return true;
    void this.#resumeWhenRoom();
    return false;
  }

  /** Half a ring at once: reading that stops and starts for each block would cost more than the blocks. */
  async #resumeWhenRoom(): Promise<void> {
    await this.#ring.wait('room', () => this.#ring.filled <= this.#ring.memory.slots / 2);
    if (!this.#over && !this.#ring.stopped) this.#socket.resume();
  }

  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    return true;
  }
}
