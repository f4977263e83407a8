// Drive processes: a few warm ones wait, each serves one stream and ends. They end too when bptm goes away, because
// their channel closes.

import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { markOf, type ProcessMark } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';
import type {
  FromDrive,
  FromSharedDrive,
  ToDrive,
  ToSharedDrive,
} from '../drive-process/messages.ts';

const ENTRY = fileURLToPath(new URL('../drive-process/main.ts', import.meta.url));
const KILL_AFTER_MS = 5_000;
const DRAIN_MAX_MS = 2_000;

export interface DriveProcess<M = ToDrive, R = FromDrive> {
  readonly pid: number;
  /** Hears every report from now on, and once how the process ended. */
  attach(hooks: { onReport(report: R): void; onExit(how: string): void }): void;
  send(message: M): void;
  /** Asks it to stop, and kills it when it does not. `onExit` follows. */
  end(reason: string): void;
}

/** Serves several streams, each by its number. `end` ends all of them. */
export type SharedProcess = DriveProcess<ToSharedDrive | ToDrive, FromSharedDrive | FromDrive>;

export interface PoolParts {
  readonly size: number;
  /** Folder of Node's compile cache: keeps a warm process small. */
  readonly cacheDir: string;
  /** Called before a process is given out and after it ended, so that survivors can be found. */
  onStarted(mark: ProcessMark): void;
  onEnded(pid: number): void;
}

export class DrivePool {
  readonly #parts: PoolParts;
  readonly #warm: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  #closed = false;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#fill();
  }

  /** A process of its own for one stream. Errors: 174 none can be started. */
  async take(): Promise<DriveProcess> {
    return this.#take();
  }

  /** A process for streams that share a drive. Errors: 174. */
  async takeShared(): Promise<SharedProcess> {
    return this.#take();
  }

  #take<M, R>(): DriveProcess<M, R> {
    const child = this.#warm.shift() ?? this.#start();
    this.#fill();
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      throw new StatusError('tapeMgrSystemError', 'no drive process can be started on this host');
    }
    const mark = markOf(child.pid);
    if (mark !== null) this.#parts.onStarted(mark);
    return asDriveProcess(child, child.pid);
  }

  /** Ends all processes. */
  async close(): Promise<void> {
    this.#closed = true;
    const ended = [...this.#all].map(
      (child) =>
        new Promise<void>((resolve) => {
          child.once('exit', () => resolve());
          child.kill('SIGKILL');
        }),
    );
    await Promise.all(ended);
  }

  #fill(): void {
    while (!this.#closed && this.#warm.length < this.#parts.size) this.#warm.push(this.#start());
  }

  #start(): ChildProcess {
    const child = fork(ENTRY, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
      env: { NODE_COMPILE_CACHE: this.#parts.cacheDir },
    });
    this.#all.add(child);
    child.on('error', () => undefined);
    child.once('exit', () => {
      this.#all.delete(child);
      const index = this.#warm.indexOf(child);
      if (index >= 0) this.#warm.splice(index, 1);
      if (child.pid !== undefined) this.#parts.onEnded(child.pid);
    });
    return child;
  }
}

function asDriveProcess<M, R>(child: ChildProcess, pid: number): DriveProcess<M, R> {
  let killTimer: NodeJS.Timeout | undefined;
  const send = (message: M | ToDrive): void => {
    // A process that is gone hears nothing; its exit is told by `onExit`.
    if (child.connected) child.send(message as Serializable, () => undefined);
  };
  return {
    pid,
    send,
    attach: ({ onReport, onExit }) => {
      child.on('message', (message) => onReport(message as R));
      void gone(child).then((how) => {
        clearTimeout(killTimer);
        onExit(how);
      });
    },
    end: (reason) => {
      send({ type: 'abort', reason });
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    },
  };
}

/** Resolves when the process ended and its last messages were read: the exit may be known before them. */
async function gone(child: ChildProcess): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) {
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  }
  if (child.connected) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_MAX_MS);
      child.once('disconnect', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
  const { exitCode, signalCode } = child;
  return signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`;
}
