// The queue on disk: requests that wait, and what their jobs were told.

import { type Attempt, codec, type ResourceRequest } from '@tapestry/contracts';
import type { Kysely, Transaction } from 'kysely';
import type { Waiting } from '../core/grant.ts';
import type { Told } from '../core/waiting-report.ts';
import type { RbDb } from './schema.ts';

export type Tx = Transaction<RbDb>;

export function attemptKey({ jobId, try: attempt, step }: Attempt): string {
  return `${jobId}/${attempt}/${step}`;
}

export async function insertRequest(
  tx: Tx,
  attempt: Attempt,
  request: ResourceRequest,
): Promise<void> {
  await tx
    .insertInto('requests')
    .values({
      ...{ job_id: attempt.jobId, try: attempt.try, step: attempt.step },
      request: Buffer.from(codec('ResourceRequest').encode(request)),
      ...{ told_reason: null, told_ms: 0 },
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** False: it is not in the queue. */
export async function deleteRequest(tx: Tx, attempt: Attempt): Promise<boolean> {
  const gone = await tx
    .deleteFrom('requests')
    .where('job_id', '=', attempt.jobId)
    .where('try', '=', attempt.try)
    .where('step', '=', attempt.step)
    .returning('job_id')
    .execute();
  return gone.length > 0;
}

export interface Queued extends Waiting {
  readonly attempt: Attempt;
  readonly told: Told | undefined;
}

export async function loadQueue(db: Kysely<RbDb>): Promise<Queued[]> {
  const rows = await db.selectFrom('requests').selectAll().execute();
  return rows.map((row) => {
    const attempt = { jobId: row.job_id, try: row.try, step: row.step };
    return {
      ...{ attempt, key: attemptKey(attempt) },
      request: codec('ResourceRequest').decode(row.request),
      told: row.told_reason === null ? undefined : { reason: row.told_reason, atMs: row.told_ms },
    };
  });
}

export async function saveTold(tx: Tx, attempt: Attempt, told: Told): Promise<boolean> {
  const found = await tx
    .updateTable('requests')
    .set({ told_reason: told.reason, told_ms: told.atMs })
    .where('job_id', '=', attempt.jobId)
    .where('try', '=', attempt.try)
    .where('step', '=', attempt.step)
    .returning('job_id')
    .execute();
  return found.length > 0;
}
