// The queue on disk, and its picture in memory, which a round looks at. Promises that the picture follows each commit;
// should a commit's answer be lost, `matches` tells, and it is read again.

import { type Attempt, codec, type ResourceRequest } from '@tapestry/contracts';
import { afterCommit } from '@tapestry/store';
import type { Kysely, Transaction } from 'kysely';
import { attemptKey } from '../core/need.ts';
import { RequestQueue } from '../core/queue.ts';
import type { Told } from '../core/waiting-report.ts';
import type { RbDb } from './schema.ts';

export type Tx = Transaction<RbDb>;

export class StoredQueue {
  /** What waits. Read it; it is changed by the methods below. */
  requests = new RequestQueue();
  /** What each job was told last, by the key of its attempt. */
  told = new Map<string, Told>();

  /** Reads everything again. */
  async load(db: Kysely<RbDb>): Promise<void> {
    const rows = await db.selectFrom('requests').selectAll().execute();
    const requests = new RequestQueue();
    const told = new Map<string, Told>();
    for (const row of rows) {
      const key = attemptKey({ jobId: row.job_id, try: row.try, step: row.step });
      requests.add({ key, request: codec('ResourceRequest').decode(row.request) });
      if (row.told_reason !== null) told.set(key, { reason: row.told_reason, atMs: row.told_ms });
    }
    this.requests = requests;
    this.told = told;
  }

  /** Whether as many wait on disk as here. */
  async matches(db: Kysely<RbDb>): Promise<boolean> {
    const size = this.requests.size;
    const { rows } = await db
      .selectFrom('requests')
      .select((eb) => eb.fn.countAll<bigint>().as('rows'))
      .executeTakeFirstOrThrow();
    return Number(rows) === size || this.requests.size !== size;
  }

  async insert(tx: Tx, attempt: Attempt, request: ResourceRequest): Promise<void> {
    await tx
      .insertInto('requests')
      .values({
        ...{ job_id: attempt.jobId, try: attempt.try, step: attempt.step },
        request: Buffer.from(codec('ResourceRequest').encode(request)),
        ...{ told_reason: null, told_ms: 0 },
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const key = attemptKey(attempt);
    afterCommit(tx, () => this.requests.add({ key, request }));
  }

  /** False: it is not in the queue. */
  async delete(tx: Tx, attempt: Attempt): Promise<boolean> {
    const gone = await tx
      .deleteFrom('requests')
      .where('job_id', '=', attempt.jobId)
      .where('try', '=', attempt.try)
      .where('step', '=', attempt.step)
      .returning('job_id')
      .execute();
    const key = attemptKey(attempt);
    afterCommit(tx, () => {
      this.requests.remove(key);
      this.told.delete(key);
    });
    return gone.length > 0;
  }

  /** False: it is not in the queue. */
  async saveTold(tx: Tx, attempt: Attempt, told: Told): Promise<boolean> {
    const found = await tx
      .updateTable('requests')
      .set({ told_reason: told.reason, told_ms: told.atMs })
      .where('job_id', '=', attempt.jobId)
      .where('try', '=', attempt.try)
      .where('step', '=', attempt.step)
      .returning('job_id')
      .execute();
    if (found.length === 0) return false;
    afterCommit(tx, () => this.told.set(attemptKey(attempt), told));
    return true;
  }

  /** Gives the waiting requests of a job another priority. @returns how many */
  async setPriority(tx: Tx, jobId: bigint, priority: number): Promise<number> {
    const rows = await tx
      .selectFrom('requests')
      .selectAll()
      .where('job_id', '=', jobId)
      .forUpdate()
      .execute();
    for (const row of rows) {
      const request = { ...codec('ResourceRequest').decode(row.request), priority };
      await tx
        .updateTable('requests')
        .set({ request: Buffer.from(codec('ResourceRequest').encode(request)) })
        .where('job_id', '=', jobId)
        .where('try', '=', row.try)
        .where('step', '=', row.step)
        .execute();
      const key = attemptKey({ jobId, try: row.try, step: row.step });
      afterCommit(tx, () => this.requests.add({ key, request }));
    }
    return rows.length;
  }
}
