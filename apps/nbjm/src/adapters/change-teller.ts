// Tells every change of a job as a JobChanged event. A job's row says which version was told last, so what a crash
// kept from being told is told at the next start; many changes share one read and one write, and of several
// changes of one job that wait together only the newest is told.

import type { Bus } from '@tapestry/bus';
import type { Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import type { LeaderGate } from '@tapestry/store';
import type { Kysely } from 'kysely';
import { jobRow } from '../core/row.ts';
import { type Database, readJobs, readUntold, setTold } from './job-store.ts';

export interface TellerParts {
  readonly bus: Bus;
  readonly db: Kysely<Database>;
  readonly gate: LeaderGate<Database>;
  readonly log: Logger;
}

const BATCH_MAX = 64;
const PAUSE_MS = 500;

export class ChangeTeller {
  readonly #parts: TellerParts;
  readonly #waiting = new Set<bigint>();
  #wake = () => {};
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#loop;
  }

  changed(jobId: bigint): void {
    this.#waiting.add(jobId);
    this.#wake();
  }

  async #run(): Promise<void> {
    let isCaughtUp = false;
    while (!this.#stopped) {
      try {
        if (!isCaughtUp) {
          for (const id of await readUntold(this.#parts.db)) this.#waiting.add(id);
          isCaughtUp = true;
        }
        if (this.#waiting.size === 0) await this.#nextWake();
        else await this.#tellSome();
      } catch (error) {
        this.#parts.log.warn({ err: asStatusError(error) }, 'changes of jobs are told later');
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  async #tellSome(): Promise<void> {
    const { bus, db, gate } = this.#parts;
    const ids = [...this.#waiting].slice(0, BATCH_MAX);
    for (const id of ids) this.#waiting.delete(id);
    try {
      const jobs = await readJobs(db, ids);
      await Promise.all(
        jobs.map((job) =>
          bus.publish('JobChanged', { job: jobRow(job) }, { id: `${job.id}/${job.version}` }),
        ),
      );
      await gate.write((tx) => setTold(tx, jobs));
    } catch (error) {
      for (const id of ids) this.#waiting.add(id);
      throw error;
    }
  }

  async #nextWake(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#stopped || this.#waiting.size > 0) resolve();
    });
  }
}
