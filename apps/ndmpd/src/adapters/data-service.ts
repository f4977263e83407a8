// The session's handle on its data process: one at a time, started by LISTEN or CONNECT, ended by ABORT
// and STOP. Reports of a process that was ended are dropped, so none can reach a later operation.

import type { ChildProcess } from 'node:child_process';
import { DATA_HALT } from '@tapestry/ndmp';
import type {
  BackupOrder,
  RecoverOrder,
  SessionReport,
  WorkerCommand,
  WorkerReport,
} from '../core/data-protocol.ts';
import type { WorkerPool } from './worker-pool.ts';

const NONE = new Uint8Array(0);

export class DataService {
  readonly #pool: WorkerPool;
  readonly #onReport: (report: SessionReport) => void;
  #worker: ChildProcess | undefined;
  #bytesProcessed = 0n;
  #directories: Uint8Array = NONE;
  #expectedBytes: bigint | undefined;
  #startedMs = 0;

  constructor(pool: WorkerPool, onReport: (report: SessionReport) => void) {
    this.#pool = pool;
    this.#onReport = onReport;
  }

  /** Stream bytes moved by the current operation, or by the last until it is released. */
  get bytesProcessed(): bigint {
    return this.#bytesProcessed;
  }

  /** Starts the operation; `expectedBytes` of its stream, where anything tells. */
  start(order: BackupOrder | RecoverOrder, expectedBytes: bigint | undefined): void {
    this.#expectedBytes = expectedBytes;
    this.#startedMs = performance.now();
    this.send(order);
  }

  /** What is left as far as anyone can tell; undefined otherwise. */
  get remaining(): { bytes: bigint; seconds: number } | undefined {
    const [done, expected] = [this.#bytesProcessed, this.#expectedBytes];
    if (expected === undefined || done === 0n || done > expected) return undefined;
    const bytes = expected - done;
    const elapsedS = (performance.now() - this.#startedMs) / 1000;
    return { bytes, seconds: Math.ceil((elapsedS * Number(bytes)) / Number(done)) };
  }

  /** What a finished backup saw, until it is released. */
  get directories(): Uint8Array {
    return this.#directories;
  }

  /** Starts a process with its first command, a listen or a dial. */
  open(command: WorkerCommand): void {
    this.release();
    const worker = this.#pool.take();
    this.#worker = worker;
    worker.on('message', (report: WorkerReport) => {
      if (this.#worker === worker) this.#take(report);
    });
    worker.once('error', (error) => this.#crashed(worker, error.message));
    worker.once('exit', (code, signal) => this.#crashed(worker, `ended by ${signal ?? code}`));
    this.send(command);
  }

  send(command: WorkerCommand): void {
    if (this.#worker?.connected) this.#worker.send(command);
  }

  /** Ends the process with its connection and files, at once and whatever it is doing. */
  abort(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.kill('SIGKILL');
  }

  /** Forgets the operation and its counters. */
  release(): void {
    this.abort();
    this.#bytesProcessed = 0n;
    this.#directories = NONE;
    this.#expectedBytes = undefined;
  }

  #take(report: WorkerReport): void {
    if (report.type === 'progress') this.#bytesProcessed = report.bytes;
    else if (report.type === 'directories') this.#directories = report.bytes;
    else this.#onReport(report);
  }

  #crashed(worker: ChildProcess, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#onReport({ type: 'log', logType: 2, entry: `the data service failed: ${why}` });
    this.#onReport({ type: 'ended', reason: DATA_HALT.internalError, env: [] });
  }
}
