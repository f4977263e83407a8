// The one way in which a job changes: load, decide, save the job with its effects in one transaction. What follows
// from that is done by the effect runner after the commit.

import type { Grant, JobSpec } from '@tapestry/contracts';
import type { FollowUp, LeaderGate } from '@tapestry/store';
import type { Transaction } from 'kysely';
import {
  type Database,
  findBySubmitKey,
  insertJob,
  lockJob,
  nextJobId,
  updateJob,
} from './adapters/job-store.ts';
import type { Outbox } from './adapters/outbox.ts';
import type { Facts, JobEvent } from './core/events.ts';
import { type Step, step, submit } from './core/job.ts';
import { grantRef } from './core/state.ts';

export interface JobsParts {
  readonly gate: LeaderGate<Database>;
  readonly outbox: Outbox;
  readonly nowMs: () => number;
  readonly stopDeadlineMs: number;
}

export class Jobs {
  readonly #parts: JobsParts;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  /** Commits a job. The same key answers with the same id. */
  async submit(key: string, spec: JobSpec): Promise<bigint> {
    return await this.#parts.gate.write(async (tx) => {
      const known = await findBySubmitKey(tx, key);
      if (known !== undefined) return known;
      const made = submit({ id: await nextJobId(tx), spec, nowMs: this.#parts.nowMs() });
      if (!(await insertJob(tx, key, made.job))) return (await findBySubmitKey(tx, key))!;
      await this.#saveEffects(tx, made);
      return made.job.id;
    });
  }

  /** False when there is no such job. */
  async apply(jobId: bigint, event: JobEvent): Promise<boolean> {
    return await this.#parts.gate.write((tx) => this.applyIn(tx, jobId, event));
  }

  async applyIn(tx: Transaction<Database>, jobId: bigint, event: JobEvent): Promise<boolean> {
    const job = await lockJob(tx, jobId);
    if (job === undefined) return false;
    const next = step(job, event, this.#facts());
    if (next.job === job) await this.#parts.outbox.save(tx, next.effects);
    else {
      await updateJob(tx, next.job);
      await this.#saveEffects(tx, next);
    }
    return true;
  }

  /** The event as what follows from an effect: saved together with the effect's end. */
  follow(jobId: bigint, event: JobEvent): FollowUp<Database> {
    return (tx) => this.applyIn(tx, jobId, event);
  }

  /** For a grant whose job nobody here knows. */
  async release(grant: Grant): Promise<void> {
    await this.#parts.gate.write((tx) =>
      this.#parts.outbox.save(tx, [{ do: 'releaseGrant', grant: grantRef(grant) }]),
    );
  }

  async #saveEffects(tx: Transaction<Database>, { job, effects }: Step): Promise<void> {
    await this.#parts.outbox.save(tx, effects);
    await this.#parts.outbox.saveChanged(tx, job);
  }

  #facts(): Facts {
    return { nowMs: this.#parts.nowMs(), stopDeadlineMs: this.#parts.stopDeadlineMs };
  }
}
