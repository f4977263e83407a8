// The clock of nbpem: looks at the policies again and again, and makes tasks of what is due.

import { createHash } from 'node:crypto';
import type { Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import type { LeaderGate } from '@tapestry/store';
import type { Kysely } from 'kysely';
import { type Database, deleteOld, openTargets, recentTries } from './adapters/task-store.ts';
import { jobSpec } from './core/job-spec.ts';
import { type DueRun, dueRuns } from './core/plan.ts';
import type { RetrySettings } from './core/retry.ts';
import type { OffsetAt } from './core/windows.ts';
import type { PolicyBook } from './policy-book.ts';
import type { Submissions } from './submissions.ts';

export interface SchedulerParts {
  readonly book: PolicyBook;
  readonly db: Kysely<Database>;
  readonly gate: LeaderGate<Database>;
  readonly submissions: Submissions;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly offsetAt: OffsetAt;
  readonly retry: RetrySettings;
  readonly tickMs: number;
  readonly keepMs: number;
  readonly maxJobsPerClient: number;
}

const TASKS_PER_TICK_MAX = 500;
/** The first look comes as soon as this instance leads. */
const NOT_YET_MS = 200;
/** Owner of what nobody asked for: the scheduler runs as root in the field. */
const OWNER = 'root';

export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;
  #wake = () => {};

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#loop;
  }

  /** Looks again at once: something changed. */
  hurry(): void {
    this.#wake();
  }

  /** One look. @returns how many tasks it made */
  async tick(): Promise<number> {
    const { book, db, nowMs, retry } = this.#parts;
    const now = nowMs();
    await book.refresh(now);
    if (!book.isComplete) return 0;
    await deleteOld(db, now - this.#parts.keepMs);
    const runs = dueRuns({
      ...{ policies: book.policies, history: book.history, nowMs: now, settings: retry },
      offsetAt: this.#parts.offsetAt,
      open: await openTargets(db),
      tries: await recentTries(db, now - retry.triesPeriodMs),
    });
    let made = 0;
    for (const run of runs.slice(0, TASKS_PER_TICK_MAX)) if (await this.#make(run, now)) made += 1;
    return made;
  }

  async #make(run: DueRun, nowMs: number): Promise<boolean> {
    const { gate, submissions, log, maxJobsPerClient } = this.#parts;
    const { policy, schedule, client, path, selection, reason } = run;
    const spec = jobSpec({
      ...{ policy, schedule, client, selection, subtype: 1, owner: OWNER, keyword: '' },
      ...{ startBeforeMs: run.closeMs, maxJobsPerClient },
    });
    const target = createHash('sha256').update(`${client}\0${path}`).digest('base64url');
    const key = `due/${policy.name}/${schedule.name}/${target}/${nowMs}`;
    const saved = await gate.write((tx) =>
      submissions.save(tx, { key, requestId: key, spec, nowMs }),
    );
    const fields = { policy: policy.name, schedule: schedule.name, client, path };
    if (saved) log.info(fields, `due: ${reason}`);
    return saved;
  }

  async #run(): Promise<void> {
    const { gate, log, tickMs } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const leads = gate.leads();
      try {
        if (leads) await this.tick();
      } catch (error) {
        log.warn({ err: asStatusError(error) }, 'schedules could not be looked at');
      }
      if (signal.aborted) return;
      const timer = new AbortController();
      await Promise.race([
        woken,
        pause(leads ? tickMs : Math.min(tickMs, NOT_YET_MS), timer.signal),
      ]);
      timer.abort();
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}
