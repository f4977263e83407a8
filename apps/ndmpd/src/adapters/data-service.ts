// The session's handle on its data worker: one at a time, started by LISTEN or CONNECT, ended by ABORT
// and STOP. Reports of a worker that was ended are dropped, so none can reach a later operation.

import type { Worker } from 'node:worker_threads';
import { DATA_HALT } from '@tapestry/ndmp';
import type { WorkerCommand, WorkerReport } from '../core/data-protocol.ts';
import type { WorkerPool } from './worker-pool.ts';

export class DataService {
  readonly #pool: WorkerPool;
  readonly #onReport: (report: WorkerReport) => void;
  #worker: Worker | undefined;
  #progress = new SharedArrayBuffer(8);

  constructor(pool: WorkerPool, onReport: (report: WorkerReport) => void) {
    this.#pool = pool;
    this.#onReport = onReport;
  }

  /** Stream bytes moved by the current operation, or by the last until it is released. */
  get bytesProcessed(): bigint {
    return Atomics.load(new BigInt64Array(this.#progress), 0);
  }

  /** Starts a worker with its first command, a listen or a dial. */
  open(command: WorkerCommand): void {
    this.abort();
    this.#progress = new SharedArrayBuffer(8);
    const worker = this.#pool.take();
    this.#worker = worker;
    worker.on('message', (report: WorkerReport) => {
      if (this.#worker === worker) this.#onReport(report);
    });
    worker.once('error', (error) => this.#crashed(worker, error));
    this.send({ type: 'setUp', progress: this.#progress });
    this.send(command);
  }

  send(command: WorkerCommand): void {
    this.#worker?.postMessage(command);
  }

  /** Ends the worker with its connection and files, at once. */
  abort(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) void worker.terminate();
  }

  /** Forgets the operation and its counters. */
  release(): void {
    this.abort();
    this.#progress = new SharedArrayBuffer(8);
  }

  #crashed(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#onReport({ type: 'log', logType: 2, entry: `the data service failed: ${error.message}` });
    this.#onReport({ type: 'ended', reason: DATA_HALT.internalError, env: [] });
  }
}
