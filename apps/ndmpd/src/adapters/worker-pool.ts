// Keeps one data process started ahead of its use: loading one takes longer than opening a connection,
// and a DMA waits for the reply. A process and no thread: it has a working directory and a user of its
// own, and it can be ended at once, whatever call it is in.

import { type ChildProcess, fork } from 'node:child_process';

/** Starting one takes a core for a while, which the operation that has just begun could use. */
const REFILL_DELAY_MS = 2000;
const HEAP_MAX_MB = 512;
/** What is short-lived may take three times this; with Node's own 16 it took as long and a hundred MB more. */
const YOUNG_HEAP_MAX_MB = 8;
/** For Node itself. */
export const DATA_PROCESS_FLAGS: readonly string[] = [
  `--max-old-space-size=${HEAP_MAX_MB}`,
  `--max-semi-space-size=${YOUNG_HEAP_MAX_MB}`,
];

export class WorkerPool {
  #spare: ChildProcess | undefined;
  #isClosed = false;

  constructor() {
    this.#refill();
  }

  /** A process that nobody used before; the caller owns and ends it. */
  take(): ChildProcess {
    const worker = this.#spare ?? start();
    this.#spare = undefined;
    worker.removeAllListeners();
    worker.once('exit', () => this.#refill());
    setTimeout(() => this.#refill(), REFILL_DELAY_MS).unref();
    return worker;
  }

  close(): void {
    this.#isClosed = true;
    this.#spare?.kill('SIGKILL');
    this.#spare = undefined;
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
    worker.channel?.unref();
    this.#spare = worker;
  }
}

function start(): ChildProcess {
  return fork(new URL('./data-worker.ts', import.meta.url), {
    execArgv: [...DATA_PROCESS_FLAGS],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}
