// When cleanups run: every so often, when somebody asks, and when a disk storage unit is full; one after the other, on
// the instance that leads. Promises that each is a job that ends, also when this daemon was killed in the middle of it.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Handlers } from '@tapestry/bus';
import type { CleanUpImagesRequest } from '@tapestry/contracts';
import { asStatusError, STATUS, StatusError, toWire } from '@tapestry/status';
import type { LeaderGate } from '@tapestry/store';
import {
  addRun,
  type CleanupRun,
  lastWholeRun,
  nextRun,
  updateRun,
  waitingRun,
} from './adapters/cleanup-runs.ts';
import { hasExpired } from './adapters/removal-rows.ts';
import type { ImageDb } from './adapters/schema.ts';
import { cleanUp } from './cleanup.ts';
import { type CleanupTimes, cleanupIsDue } from './core/cleanup-due.ts';
import { nowS, type Parts } from './parts.ts';

export interface LoopOptions extends CleanupTimes {
  readonly gate: LeaderGate<ImageDb>;
}

/** How often it is looked whether one is due. */
const LOOK_MS = 5_000;
const AWAY_MS = 2_000;

export class CleanupLoop {
  readonly #parts: Parts;
  readonly #options: LoopOptions;
  readonly #stopping = new AbortController();
  #endPause = (): void => {};
  /** Somebody asked while nothing paused. */
  #woken = false;
  #running: Promise<void> | undefined;

  constructor(parts: Parts, options: LoopOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  wake(): void {
    this.#woken = true;
    this.#endPause();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const startedMs = this.#parts.nowMs();
    while (!signal.aborted) {
      try {
        const did = this.#options.gate.leads() && (await this.#next(startedMs));
        if (!did) await this.#pause(LOOK_MS);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StatusError)) throw error;
        const { detail } = asStatusError(error);
        this.#parts.log.warn({ detail }, 'images could not be cleaned up, again soon');
        await this.#pause(AWAY_MS);
      }
    }
  }

  /** @returns whether there was anything to do */
  async #next(startedMs: number): Promise<boolean> {
    const { db } = this.#parts.store;
    const run = await nextRun(db);
    if (run !== undefined) {
      await this.#perform(run);
      return true;
    }
    const last = await lastWholeRun(db);
    const ended = last && { endedMs: last.ended_ms, ok: last.status === STATUS.ok.code };
    if (!cleanupIsDue(ended, { startedMs, nowMs: this.#parts.nowMs() }, this.#options)) {
      return false;
    }
    const due = { key: `cleanup/${randomUUID()}`, requester: 'bpdbm', storageUnit: '' };
    await addRun(db, due, this.#parts.nowMs());
    return true;
  }

  async #perform(run: CleanupRun): Promise<void> {
    const { nbjm, store, log } = this.#parts;
    const { signal } = this.#stopping;
    const jobId = await beginJob(this.#parts, run);
    await updateRun(store.db, run.key, { started_ms: this.#parts.nowMs() });
    let removed = 0;
    let status = new StatusError('ok', '');
    try {
      const outcome = await cleanUp(this.#parts, {
        ...{ jobId, storageUnit: run.storage_unit, signal },
      });
      removed = outcome.removed;
      const [problem] = outcome.problems;
      if (problem !== undefined) status = new StatusError('partial', problem);
    } catch (error) {
      // At a stop the run stays open: the next start goes on with it.
      if (signal.aborted || !(error instanceof StatusError)) throw error;
      status = asStatusError(error);
    }
    log.info({ jobId: String(jobId), removed, status: status.status }, 'images were cleaned up');
    await ended(nbjm.EndTask({ jobId, status: toWire(status), files: BigInt(removed) }));
    const { code } = STATUS[status.status];
    await updateRun(store.db, run.key, { ended_ms: this.#parts.nowMs(), status: code });
  }

  async #pause(ms: number): Promise<void> {
    const waiting = new AbortController();
    this.#endPause = () => waiting.abort();
    if (!this.#woken && !this.#stopping.signal.aborted) {
      await sleep(ms, undefined, { signal: waiting.signal, ref: false }).catch(() => {});
    }
    this.#woken = false;
  }
}

/** nbjm has forgotten jobs that old. */
async function ended(telling: Promise<unknown>): Promise<void> {
  try {
    await telling;
  } catch (error) {
    if (!(error instanceof StatusError) || error.status !== 'jobMissing') throw error;
  }
}

/** The job of a run: the same however often it is asked for. */
async function beginJob({ nbjm, store }: Parts, run: CleanupRun): Promise<bigint> {
  if (run.job_id !== null) return run.job_id;
  const { key, requester, storage_unit: storageUnit } = run;
  const type = 'JOB_TYPE_IMAGE_CLEANUP' as const;
  const { jobId } = await nbjm.BeginTask({ key, type, owner: requester, storageUnit });
  await updateRun(store.db, key, { job_id: jobId });
  return jobId;
}

export function cleanupHandlers(parts: Parts): Pick<Handlers<'bpdbm'>, 'CleanUpImages'> {
  return { CleanUpImages: (request) => askForCleanup(parts, request) };
}

async function askForCleanup(parts: Parts, { requester, storageUnit }: CleanUpImagesRequest) {
  const { db } = parts.store;
  if (storageUnit !== '' && !(await hasExpired(db, storageUnit, nowS(parts)))) return { jobId: 0n };
  let run = await waitingRun(db, storageUnit);
  if (run === undefined) {
    const key = `cleanup/${randomUUID()}`;
    await addRun(db, { key, requester, storageUnit }, parts.nowMs());
    const added = { key, requester, storage_unit: storageUnit, job_id: null };
    run = { ...added, requested_ms: 0, started_ms: 0, ended_ms: 0, status: 0 };
  }
  const jobId = await beginJob(parts, run);
  parts.wake();
  return { jobId };
}
