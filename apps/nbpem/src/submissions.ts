// Gives tasks to nbjm: each is saved first and sent from the outbox, so that it becomes exactly one job whatever
// dies meanwhile. Whoever asked for a run waits here for the job ids.

import type { Bus } from '@tapestry/bus';
import { codec } from '@tapestry/contracts';
import { StatusError, type StatusName } from '@tapestry/status';
import {
  type EffectHandlers,
  Effects,
  type LeaderGate,
  type PermanentFailure,
} from '@tapestry/store';
import type { Kysely, Transaction } from 'kysely';
import {
  type Database,
  insertTask,
  type NewTask,
  readTask,
  setRefused,
  setSubmitted,
  type TaskTable,
  tasksOfRequest,
} from './adapters/task-store.ts';

export interface Kinds {
  submitJob: { key: string };
}

const LOOK_AGAIN_MS = 500;

export class Submissions {
  readonly effects = new Effects<Kinds>();
  readonly #parts: { bus: Bus; db: Kysely<Database>; gate: LeaderGate<Database> };
  readonly #waiters = new Set<() => void>();

  constructor(parts: { bus: Bus; db: Kysely<Database>; gate: LeaderGate<Database> }) {
    this.#parts = parts;
  }

  /** False when it was saved before, or its target has a scheduled job already. */
  async save(tx: Transaction<Database>, task: NewTask): Promise<boolean> {
    if (!(await insertTask(tx, task))) return false;
    const { key } = task;
    await this.effects.enqueue(tx, { kind: 'submitJob', key: `submit/${key}`, payload: { key } });
    return true;
  }

  handlers(): EffectHandlers<Kinds> {
    return {
      submitJob: async ({ key }, { signal }) => {
        const { bus, db, gate } = this.#parts;
        const task = await readTask(db, key);
        if (task === undefined || task.state !== 'submitting') return;
        const job = codec('JobSpec').decode(task.spec);
        const request = { key: `nbpem/${key}`, job };
        const { jobId } = await bus.client('nbjm').SubmitJob(request, { signal });
        await gate.write((tx) => setSubmitted(tx, key, jobId));
        this.#wake();
      },
    };
  }

  async onPermanentFailure(
    tx: Transaction<Database>,
    { payload, error }: PermanentFailure<Kinds>,
  ): Promise<void> {
    await setRefused(tx, payload.key, `${error.status} ${error.detail}`);
  }

  /**
   * The job ids of a request once nbjm has given all of them. Errors: nbjm's refusal; 41 when it did not answer in
   * time (the run stays accepted, and the same request id finds its jobs).
   */
  async jobIds(requestId: string, deadlineMs: number, signal: AbortSignal): Promise<bigint[]> {
    for (;;) {
      const woken = this.#nextWake(Math.min(LOOK_AGAIN_MS, deadlineMs - Date.now()), signal);
      const tasks = await tasksOfRequest(this.#parts.db, requestId);
      const refused = tasks.find((task) => task.refusal !== '');
      if (refused !== undefined) throw refusalOf(refused);
      const ids = tasks.map((task) => task.job_id).filter((id) => id !== null);
      if (ids.length === tasks.length) return ids.sort((a, b) => (a < b ? -1 : 1));
      if (Date.now() >= deadlineMs || signal.aborted) throw stillWaiting();
      await woken;
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  async #nextWake(waitMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiters.delete(finish);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.max(1, waitMs));
      this.#waiters.add(finish);
      signal.addEventListener('abort', finish);
    });
  }
}

function refusalOf({ refusal }: TaskTable): StatusError {
  const space = refusal.indexOf(' ');
  return new StatusError(refusal.slice(0, space) as StatusName, refusal.slice(space + 1));
}

function stillWaiting(): StatusError {
  return new StatusError(
    'connectTimedOut',
    'the run is accepted, but nbjm has not answered: its jobs begin when nbjm is back (bpps shows it)',
  );
}
