// The consuming side of a restore: what the drive thread read goes from the ring's slots to the data connection.
// A slot is free again when the kernel took its bytes, so a slow filer holds the drive back and memory does not grow.

import type net from 'node:net';
import type { Ring } from './ring.ts';

export class Sender {
  readonly #ring: Ring;
  readonly #socket: net.Socket;
  #sentBytes = 0n;
  #pending = 0;
  #failure: Error | undefined;

  constructor(ring: Ring, socket: net.Socket, onClosed: (error: Error | undefined) => void) {
    this.#ring = ring;
    this.#socket = socket;
    socket.setKeepAlive(true, 60_000);
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('close', () => {
      this.#failure ??= new Error('the filer closed the data connection');
      onClosed(this.#failure);
    });
    // A mover hears nothing from a data server: reading only notices the end of the connection.
    socket.resume();
  }

  /** The connection is gone, or failed. */
  get broken(): boolean {
    return this.#failure !== undefined;
  }

  get sentBytes(): bigint {
    return this.#sentBytes;
  }

  /** Sends until the ring ends or is stopped. */
  async run(): Promise<void> {
    for (;;) {
      await this.#ring.wait('blocks', () => this.#ring.filled > this.#pending || this.#atEnd());
      if (this.#ring.stopped || this.#failure !== undefined) return;
      if (this.#ring.filled === this.#pending && this.#ring.ended) return;
      while (this.#ring.filled > this.#pending) this.#write();
    }
  }

  /** All ranges were sent: the connection ends in order once the kernel took everything. */
  end(): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.end(() => resolve());
      this.#socket.once('close', () => resolve());
    });
  }

  destroy(): void {
    this.#failure ??= new Error('ended by this side');
    this.#socket.resetAndDestroy();
  }

  #atEnd(): boolean {
    return this.#failure !== undefined || (this.#ring.ended && this.#ring.filled === this.#pending);
  }

  #write(): void {
    const { block, payloadStart, payloadBytes } = this.#ring.peek(this.#pending);
    this.#pending += 1;
    this.#socket.write(block.subarray(payloadStart, payloadStart + payloadBytes), (error) => {
      this.#pending -= 1;
      if (error) {
        this.#failure ??= error;
        this.#ring.stop();
        return;
      }
      this.#sentBytes += BigInt(payloadBytes);
      this.#ring.free(1);
    });
  }
}
