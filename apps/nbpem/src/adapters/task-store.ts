// Tasks (what was given, or is to be given, to nbjm) and tries (how it went) in PostgreSQL.

import { codec, type Init, type JobSpec } from '@tapestry/contracts';
import type { Migrations } from '@tapestry/store';
import { type Kysely, sql, type Transaction } from 'kysely';
import { targetKey } from '../core/plan.ts';
import type { EndedTry } from '../core/retry.ts';

/** submitting: nbjm has not answered. open: the job is not over. over: it is, or was refused. */
export type TaskState = 'submitting' | 'open' | 'over';

export interface TaskTable {
  key: string;
  request_id: string;
  policy: string;
  schedule: string;
  client: string;
  path: string;
  subtype: number;
  spec: Uint8Array;
  job_id: bigint | null;
  state: TaskState;
  /** Why nbjm refused it: code, name and detail. */
  refusal: string;
  created_ms: number;
}

export interface TryTable {
  job_id: bigint;
  try: number;
  policy: string;
  client: string;
  path: string;
  code: number;
  ended_ms: number;
  final: boolean;
}

export interface Database {
  tasks: TaskTable;
  tries: TryTable;
}

export const migrations: Migrations = {
  '0001-tasks': async (tx) => {
    await sql`create table tasks (
      key text collate "C" primary key,
      request_id text collate "C" not null,
      policy text not null,
      schedule text not null,
      client text not null,
      path text not null,
      subtype integer not null,
      spec bytea not null,
      job_id bigint,
      state text not null,
      refusal text not null default '',
      created_ms double precision not null)`.execute(tx);
    await sql`create index tasks_request on tasks (request_id)`.execute(tx);
    await sql`create index tasks_job on tasks (job_id)`.execute(tx);
    // One scheduled job a target at a time, whatever two ticks may think.
    await sql`create unique index tasks_scheduled on tasks (policy, client, path)
      where state <> 'over' and subtype = 1`.execute(tx);
    await sql`create index tasks_open on tasks (created_ms) where state <> 'over'`.execute(tx);
    await sql`create table tries (
      job_id bigint not null,
      try integer not null,
      policy text not null,
      client text not null,
      path text not null,
      code integer not null,
      ended_ms double precision not null,
      final boolean not null,
      primary key (job_id, try))`.execute(tx);
    await sql`create index tries_ended on tries (ended_ms)`.execute(tx);
  },
};

type Db = Kysely<Database> | Transaction<Database>;

export interface NewTask {
  readonly key: string;
  readonly requestId: string;
  readonly spec: Init<JobSpec>;
  readonly nowMs: number;
}

/** False when the key, or another scheduled task of the target, is there already. */
export async function insertTask(tx: Db, task: NewTask): Promise<boolean> {
  const type = codec('JobSpec');
  const bytes = type.encode(task.spec);
  const spec = type.decode(bytes);
  const added = await tx
    .insertInto('tasks')
    .values({
      ...{ key: task.key, request_id: task.requestId, policy: spec.policy },
      ...{ schedule: spec.schedule, client: spec.client, path: spec.backup?.path ?? '' },
      ...{ subtype: spec.subtype, spec: bytes, job_id: null, state: 'submitting', refusal: '' },
      created_ms: task.nowMs,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('key')
    .execute();
  return added.length > 0;
}

export async function readTask(db: Db, key: string): Promise<TaskTable | undefined> {
  return await db.selectFrom('tasks').selectAll().where('key', '=', key).executeTakeFirst();
}

export async function tasksOfRequest(db: Db, requestId: string): Promise<TaskTable[]> {
  const query = db.selectFrom('tasks').selectAll().where('request_id', '=', requestId);
  return await query.orderBy('key').execute();
}

/** The job may have ended before the answer to its submission came here. */
export async function setSubmitted(tx: Db, key: string, jobId: bigint): Promise<void> {
  await sql`update tasks set job_id = ${jobId}, state = case
    when exists (select 1 from tries where job_id = ${jobId} and final) then 'over' else 'open' end
    where key = ${key} and state = 'submitting'`.execute(tx);
}

export async function setRefused(tx: Db, key: string, refusal: string): Promise<void> {
  const query = tx.updateTable('tasks').set({ state: 'over', refusal }).where('key', '=', key);
  await query.execute();
}

export async function setOver(tx: Db, jobId: bigint): Promise<void> {
  await tx.updateTable('tasks').set({ state: 'over' }).where('job_id', '=', jobId).execute();
}

/** When the task of a job was made; undefined when the job is not one of ours, or not known yet. */
export async function taskMadeMs(db: Db, jobId: bigint): Promise<number | undefined> {
  const query = db.selectFrom('tasks').select('created_ms').where('job_id', '=', jobId);
  return (await query.executeTakeFirst())?.created_ms;
}

export async function saveTry(tx: Db, ended: TryTable): Promise<void> {
  const { code, ended_ms, final } = ended;
  await tx
    .insertInto('tries')
    .values(ended)
    .onConflict((conflict) =>
      conflict.columns(['job_id', 'try']).doUpdateSet({ code, ended_ms, final }),
    )
    .execute();
}

export async function triesOf(
  tx: Db,
  target: { policy: string; client: string; path: string },
  sinceMs: number,
): Promise<EndedTry[]> {
  const rows = await tx
    .selectFrom('tries')
    .select(['code', 'ended_ms'])
    .where('policy', '=', target.policy)
    .where('client', '=', target.client)
    .where('path', '=', target.path)
    .where('ended_ms', '>', sinceMs)
    .execute();
  return rows.map((row) => ({ code: row.code, endedMs: row.ended_ms }));
}

export async function recentTries(db: Db, sinceMs: number): Promise<Map<string, EndedTry[]>> {
  const query = db.selectFrom('tries').selectAll().where('ended_ms', '>', sinceMs);
  const byTarget = Map.groupBy(await query.execute(), (row) =>
    targetKey(row.policy, row.client, row.path),
  );
  return new Map(
    [...byTarget].map(([key, rows]) => [
      key,
      rows.map((row) => ({ code: row.code, endedMs: row.ended_ms })),
    ]),
  );
}

export async function openTargets(db: Db): Promise<Set<string>> {
  const query = db.selectFrom('tasks').select(['policy', 'client', 'path']);
  const rows = await query.where('state', '<>', 'over').execute();
  return new Set(rows.map((row) => targetKey(row.policy, row.client, row.path)));
}

export async function deleteOld(db: Db, beforeMs: number): Promise<void> {
  await sql`delete from tasks where state = 'over' and created_ms < ${beforeMs}`.execute(db);
  await sql`delete from tries where ended_ms < ${beforeMs}`.execute(db);
}
