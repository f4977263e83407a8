// One process under the supervisor: its output goes to its log file, and when it ends unasked it is started
// again, sooner the longer it had run.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { markOf } from '@tapestry/processes';
import type { ProcessRecord } from './layout.ts';

export interface ChildPlan {
  readonly name: string;
  /** Script and arguments for this Node. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly httpUrl: string;
}

const LOG_MAX_BYTES = 32 * 1024 * 1024;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 5_000;
/** A process that ran this long had started well: its next start waits the least. */
const STEADY_MS = 10_000;
const TERM_MAX_MS = 20_000;

export class SupervisedChild {
  readonly plan: ChildPlan;
  #child: ChildProcess | undefined;
  #wanted = false;
  #pauseMs = PAUSE_MIN_MS;
  #startedMs = 0;
  #restarts = 0;
  readonly #onChange: () => void;

  constructor(plan: ChildPlan, onChange: () => void) {
    this.plan = plan;
    this.#onChange = onChange;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it was started again because it had ended unasked. */
  get restarts(): number {
    return this.#restarts;
  }

  record(): ProcessRecord | undefined {
    const { pid } = this;
    const mark = pid === undefined ? null : markOf(pid);
    return mark === null
      ? undefined
      : { ...mark, name: this.plan.name, httpUrl: this.plan.httpUrl };
  }

  start(): void {
    this.#wanted = true;
    this.#launch();
  }

  /** SIGTERM, then SIGKILL; resolves once it has ended. */
  async stop(): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const late = sleep(TERM_MAX_MS, 'late', { ref: false });
    if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL');
    await ended;
  }

  /** As a crash does; the supervisor starts it again. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await ended;
  }

  #launch(): void {
    const { plan } = this;
    const log = openLog(plan.logFile);
    // A group of its own: a key at the terminal reaches only the supervisor, which stops all in order.
    const child = spawn(process.execPath, [...plan.args], {
      env: { ...plan.env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.#startedMs = Date.now();
    child.once('error', () => this.#ended());
    child.once('exit', () => this.#ended());
    this.#onChange();
  }

  #ended(): void {
    this.#child = undefined;
    this.#onChange();
    if (!this.#wanted) return;
    if (Date.now() - this.#startedMs > STEADY_MS) this.#pauseMs = PAUSE_MIN_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_MAX_MS);
    setTimeout(() => {
      if (!this.#wanted || this.#child !== undefined) return;
      this.#restarts += 1;
      this.#launch();
    }, pauseMs).unref();
  }
}

/** Appends; a log that grew too long becomes `<name>.old`. */
function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_MAX_BYTES) renameSync(file, `${file}.old`);
  return openSync(file, 'a', 0o640);
}
