// The live picture of all jobs: rows from the database, progress in memory on top, and a numbered JobView for every
// change. Numbers rise over restarts and take-overs: the leader's epoch is their upper half.

import type { Bus } from '@tapestry/bus';
import type { DetailLine, Init, JobDetail, JobProgress, JobRow } from '@tapestry/contracts';
import type { Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import type { LeaderGate } from '@tapestry/store';
import type { Kysely } from 'kysely';
import {
  type Database,
  deleteJobs,
  deleteMarks,
  findOld,
  readActive,
  saveJob,
  saveLine,
  saveProgress,
  saveTry,
} from './adapters/activity-store.ts';
import { concerns, merged, type Progress, tryOf, withLastCounts } from './core/view.ts';

export interface ActivityParts {
  readonly bus: Bus;
  readonly db: Kysely<Database>;
  readonly gate: LeaderGate<Database>;
  readonly epoch: bigint;
  readonly log: Logger;
  readonly linesMax: number;
}

const COUNTER_BITS = 32n;

export class Activity {
  readonly #parts: ActivityParts;
  /** Rows of jobs that are not done, as nbjm told them. */
  readonly #active = new Map<bigint, JobRow>();
  readonly #progress = new Map<bigint, Progress>();
  readonly #unsaved = new Set<bigint>();
  #sequence: bigint;

  constructor(parts: ActivityParts) {
    this.#parts = parts;
    this.#sequence = parts.epoch << COUNTER_BITS;
  }

  /** Number of the newest JobView. Read it before the rows, so that the rows contain at least that. */
  get sequence(): bigint {
    return this.#sequence;
  }

  async load(): Promise<void> {
    for (const { row, progress } of await readActive(this.#parts.db)) {
      this.#active.set(row.jobId, row);
      if (progress !== undefined) this.#progress.set(row.jobId, progress);
    }
  }

  /** The row as it is to be shown. */
  shown(row: JobRow): JobRow {
    return merged(row, this.#progress.get(row.jobId));
  }

  async jobChanged(told: JobRow): Promise<void> {
    const row = withLastCounts(told, this.#progress.get(told.jobId));
    const current = tryOf(row);
    const isNew = await this.#parts.gate.write(async (tx) => {
      if (await saveJob(tx, row, current)) return true;
      // Its own try ended in this older snapshot: nobody else tells how.
      if (row.state === 'JOB_STATE_REQUEUED') await saveTry(tx, row.jobId, current);
      return false;
    });
    if (!isNew) return;
    if (row.state === 'JOB_STATE_DONE') this.#forget(row.jobId);
    else this.#active.set(row.jobId, told);
    if (this.#progress.get(row.jobId)?.attempt?.try !== row.try) this.#progress.delete(row.jobId);
    await this.#show({ job: this.shown(row) });
  }

  async detail(detail: JobDetail): Promise<void> {
    const { attempt, atMs, producer, text, severity } = detail;
    if (attempt === null) return;
    const { db, epoch, linesMax } = this.#parts;
    const number = await saveLine(db, detail, { epoch, linesMax });
    if (number === undefined) return;
    const line: Init<DetailLine> = {
      ...{ jobId: attempt.jobId, try: attempt.try, atMs, producer, text },
      ...{ severity: severity || 'info', number },
    };
    await this.#show({ line });
  }

  progressed(progress: JobProgress): void {
    const jobId = progress.attempt?.jobId ?? 0n;
    const row = this.#active.get(jobId);
    if (row === undefined || !concerns(row, progress)) return;
    this.#progress.set(jobId, progress);
    this.#unsaved.add(jobId);
    void this.#show({ job: this.shown(row) });
  }

  /** @returns how many records were deleted; those of jobs that are not done stay */
  async delete(jobIds: readonly bigint[]): Promise<number> {
    const gone = await this.#parts.gate.write((tx) => deleteJobs(tx, jobIds));
    for (const jobId of gone) await this.#show({ job: { jobId }, deleted: true });
    return gone.length;
  }

  async saveProgress(): Promise<void> {
    if (this.#unsaved.size === 0) return;
    const jobIds = [...this.#unsaved];
    this.#unsaved.clear();
    const known = jobIds.map((jobId) => this.#progress.get(jobId)).filter((p) => p !== undefined);
    await this.#parts.gate.write(async (tx) => {
      for (const progress of known) await saveProgress(tx, progress);
    });
  }

  /** Deletes records that ended before this time; a bounded number at once. */
  async deleteOld(beforeMs: number): Promise<void> {
    const old = await findOld(this.#parts.db, beforeMs);
    if (old.length > 0) await this.delete(old);
    await this.#parts.gate.write((tx) => deleteMarks(tx, beforeMs));
  }

  #forget(jobId: bigint): void {
    this.#active.delete(jobId);
    this.#progress.delete(jobId);
    this.#unsaved.delete(jobId);
  }

  /** Best effort: a reader that misses one sees the gap in the numbers, and asks. */
  async #show(view: {
    job?: Init<JobRow>;
    line?: Init<DetailLine>;
    deleted?: boolean;
  }): Promise<void> {
    this.#sequence += 1n;
    const { bus, log } = this.#parts;
    await bus.publish('JobView', { sequence: this.#sequence, ...view }).catch((error: unknown) => {
      log.debug({ err: asStatusError(error) }, 'a view was not heard');
    });
  }
}
