// Keeps one tape thread started ahead of its use: loading one takes longer than opening a drive, and a DMA waits
// for the reply.

import { Worker } from 'node:worker_threads';
import type { TapeThreadOptions, ToTapeThread } from '../core/tape-protocol.ts';

export class TapeThreads {
  #spare: Worker | undefined;
  #isClosed = false;

  constructor() {
    this.#refill();
  }

  /** A thread that nobody used before; the caller owns and ends it. */
  take(options: TapeThreadOptions): Worker {
    const worker = this.#spare ?? start();
    this.#spare = undefined;
    worker.removeAllListeners();
    worker.ref();
    setImmediate(() => this.#refill());
    const begin: ToTapeThread = { begin: options };
    worker.postMessage(begin);
    return worker;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const spare = this.#spare;
    this.#spare = undefined;
    await spare?.terminate();
  }

  #refill(): void {
    if (this.#isClosed || this.#spare !== undefined) return;
    const worker = start();
    // One that cannot start is not worth a crash: the next take tries again and reports it.
    const forget = (): void => {
      if (this.#spare === worker) this.#spare = undefined;
    };
    worker.once('error', forget);
    worker.once('exit', forget);
    worker.unref();
    this.#spare = worker;
  }
}

function start(): Worker {
  return new Worker(new URL('./tape-thread.ts', import.meta.url));
}
