// Keeps one data worker started ahead of its use: loading a thread takes longer than opening a
// connection, and a DMA waits for the reply.

import { Worker } from 'node:worker_threads';

const HEAP_MAX_MB = 1024;

export class WorkerPool {
  #spare: Worker | undefined;
  #isClosed = false;

  constructor() {
    this.#refill();
  }

  /** A worker that nobody used before; the caller owns and ends it. */
  take(): Worker {
    const worker = this.#spare ?? start();
    this.#spare = undefined;
    worker.removeAllListeners();
    worker.ref();
    setImmediate(() => this.#refill());
    return worker;
  }

  close(): void {
    this.#isClosed = true;
    void this.#spare?.terminate();
    this.#spare = undefined;
  }

  #refill(): void {
    if (this.#isClosed || this.#spare !== undefined) return;
    const worker = start();
    worker.unref();
    // One that cannot start is not worth a crash: the next take tries again and reports it.
    worker.once('error', () => {
      if (this.#spare === worker) this.#spare = undefined;
    });
    this.#spare = worker;
  }
}

function start(): Worker {
  return new Worker(new URL('./data-worker.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MB },
  });
}
