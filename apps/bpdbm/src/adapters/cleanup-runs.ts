// The cleanups that were asked for or were due, one row each, so that one that a crash cut short goes on under its job.

import type { Kysely, Selectable } from 'kysely';
import type { CleanupRunsTable, ImageDb } from './schema.ts';

export type CleanupRun = Selectable<CleanupRunsTable>;

export interface NewRun {
  readonly key: string;
  readonly requester: string;
  readonly storageUnit: string;
}

/** What is shown of the past is in bpjobd; here only the newest count. */
const KEEP_MS = 7 * 24 * 3_600_000;

export async function addRun(
  db: Kysely<ImageDb>,
  { key, requester, storageUnit }: NewRun,
  nowMs: number,
): Promise<void> {
  await db
    .insertInto('cleanup_runs')
    .values({
      ...{ key, requester, storage_unit: storageUnit, requested_ms: nowMs, job_id: null },
      ...{ started_ms: 0, ended_ms: 0, status: 0 },
    })
    .execute();
  await db
    .deleteFrom('cleanup_runs')
    .where('ended_ms', '>', 0)
    .where('ended_ms', '<', nowMs - KEEP_MS)
    .execute();
}

/** One that waits and will do what this one would. */
export async function waitingRun(
  db: Kysely<ImageDb>,
  storageUnit: string,
): Promise<CleanupRun | undefined> {
  return await db
    .selectFrom('cleanup_runs')
    .selectAll()
    .where('ended_ms', '=', 0)
    .where('started_ms', '=', 0)
    .where('storage_unit', 'in', ['', storageUnit])
    .orderBy('requested_ms')
    .limit(1)
    .executeTakeFirst();
}

/** The one to do now: what was begun first, then who asked first. */
export async function nextRun(db: Kysely<ImageDb>): Promise<CleanupRun | undefined> {
  return await db
    .selectFrom('cleanup_runs')
    .selectAll()
    .where('ended_ms', '=', 0)
    .orderBy((eb) => eb('started_ms', '=', 0))
    .orderBy('requested_ms')
    .limit(1)
    .executeTakeFirst();
}

export async function updateRun(
  db: Kysely<ImageDb>,
  key: string,
  columns: Partial<Pick<CleanupRun, 'job_id' | 'started_ms' | 'ended_ms' | 'status'>>,
): Promise<void> {
  await db.updateTable('cleanup_runs').set(columns).where('key', '=', key).execute();
}

/** The last cleanup of everything that ended, and how. */
export async function lastWholeRun(
  db: Kysely<ImageDb>,
): Promise<Pick<CleanupRun, 'ended_ms' | 'status'> | undefined> {
  return await db
    .selectFrom('cleanup_runs')
    .select(['ended_ms', 'status'])
    .where('ended_ms', '>', 0)
    .where('storage_unit', '=', '')
    .orderBy('ended_ms', 'desc')
    .limit(1)
    .executeTakeFirst();
}
