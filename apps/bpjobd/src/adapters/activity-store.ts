// Jobs, tries and detail lines in PostgreSQL. A row is kept as the contract's bytes, with columns for what is searched.

import {
  codec,
  type Init,
  type JobDetail,
  type JobRow,
  type JobState,
  type ListJobsRequest,
  type TryRow,
} from '@tapestry/contracts';
import { type Migrations, StaleEpoch } from '@tapestry/store';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Progress, StateCount } from '../core/view.ts';

export interface JobTable {
  job_id: bigint;
  version: bigint;
  row: Uint8Array;
  state: JobState;
  status: number;
  policy: string;
  client: string;
  submitted_ms: number;
  ended_ms: number;
  deleted: boolean;
  progress: Uint8Array | null;
}

export interface Database {
  jobs: JobTable;
  tries: { job_id: bigint; try: number; row: Uint8Array; ended: boolean };
  lines: LineTable;
}

export interface LineTable {
  job_id: bigint;
  number: bigint;
  key: string;
  try: number;
  at_ms: number;
  producer: string;
  text: string;
  severity: string;
}

export const migrations: Migrations = {
  '0001-activity': async (tx) => {
    await sql`create table jobs (
      job_id bigint primary key,
      version bigint not null,
      row bytea not null,
      state text not null,
      status integer not null,
      policy text not null,
      client text not null,
      submitted_ms double precision not null,
      ended_ms double precision not null,
      deleted boolean not null default false,
      progress bytea)`.execute(tx);
    await sql`create index jobs_state on jobs (state, status) where not deleted`.execute(tx);
    await sql`create index jobs_ended on jobs (ended_ms) where state = 'JOB_STATE_DONE'`.execute(
      tx,
    );
    await sql`create table tries (
      job_id bigint not null,
      try integer not null,
      row bytea not null,
      primary key (job_id, try))`.execute(tx);
    await sql`create table lines (
      job_id bigint not null,
      number bigint not null,
      key text collate "C" not null,
      try integer not null,
      at_ms double precision not null,
      producer text not null,
      text text not null,
      severity text not null,
      primary key (job_id, number),
      unique (job_id, key))`.execute(tx);
    await sql`create index lines_at on lines (at_ms)`.execute(tx);
  },
  '0002-ended-tries': async (tx) => {
    await sql`alter table tries add column ended boolean not null default false`.execute(tx);
  },
};

type Db = Kysely<Database> | Transaction<Database>;
const jobCodec = codec('JobRow');
const tryCodec = codec('TryRow');
const progressCodec = codec('JobProgress');

/** False when a newer snapshot is there, or the record was deleted. */
export async function saveJob(tx: Db, row: JobRow, current: Init<TryRow>): Promise<boolean> {
  const bytes = jobCodec.encode(row);
  const saved = await sql`insert into jobs
    (job_id, version, row, state, status, policy, client, submitted_ms, ended_ms)
    values (${row.jobId}, ${row.version}, ${bytes}, ${row.state}, ${row.status}, ${row.policy},
      ${row.client}, ${Number(row.submittedMs)}, ${Number(row.endedMs)})
    on conflict (job_id) do update set version = excluded.version, row = excluded.row,
      state = excluded.state, status = excluded.status, ended_ms = excluded.ended_ms,
      progress = case when excluded.state = 'JOB_STATE_DONE' then null else jobs.progress end
    where jobs.version < excluded.version and not jobs.deleted
    returning job_id`.execute(tx);
  if (saved.rows.length === 0) return false;
  await saveTry(tx, row.jobId, current);
  return true;
}

/** How a try ended is written once: a job that is cancelled while it waits for its retry changes no try. */
export async function saveTry(tx: Db, jobId: bigint, current: Init<TryRow>): Promise<void> {
  const bytes = tryCodec.encode(current);
  const ended = (current.endedMs ?? 0n) > 0n;
  await sql`insert into tries (job_id, try, row, ended)
    values (${jobId}, ${current.try ?? 0}, ${bytes}, ${ended})
    on conflict (job_id, try) do update set row = excluded.row, ended = excluded.ended
    where not tries.ended`.execute(tx);
}

/**
 * One statement, because a filer may log thousands of lines: it checks the leader's epoch and numbers the line.
 * @returns the line's number; undefined when its key is known, or the job has its fill
 */
export async function saveLine(
  db: Kysely<Database>,
  line: JobDetail,
  { epoch, linesMax }: { readonly epoch: bigint; readonly linesMax: number },
): Promise<bigint | undefined> {
  const { attempt, atMs, producer, text, key, severity } = line;
  const jobId = attempt?.jobId ?? 0n;
  const { rows } = await sql<{ leads: boolean; number: bigint | null }>`with
    held as (select 1 from lease where name = 'leader' and epoch = ${epoch} for key share),
    newest as (select coalesce(max(number), 0) as number from lines where job_id = ${jobId}),
    added as (insert into lines (job_id, number, key, try, at_ms, producer, text, severity)
      select ${jobId}::bigint, newest.number + 1, ${key}, ${attempt?.try ?? 0}::integer,
        ${Number(atMs)}::double precision, ${producer}, ${text}, ${severity || 'info'}
      from newest, held where newest.number < ${linesMax}
      on conflict do nothing returning number)
    select exists (select 1 from held) leads, (select number from added) number`.execute(db);
  if (rows[0]?.leads !== true) {
    throw new StaleEpoch('cannotConnect', 'another instance leads', { schema: 'bpjobd' });
  }
  return rows[0].number ?? undefined;
}

export interface StoredJob {
  readonly row: JobRow;
  readonly progress: Progress | undefined;
}

function toStored({ row, progress }: Pick<JobTable, 'row' | 'progress'>): StoredJob {
  return {
    row: jobCodec.decode(row),
    progress: progress === null ? undefined : progressCodec.decode(progress),
  };
}

/** Jobs that are not done: what progress may be about. */
export async function readActive(db: Db): Promise<StoredJob[]> {
  const query = db.selectFrom('jobs').select(['row', 'progress']);
  const rows = await query.where('state', '<>', 'JOB_STATE_DONE').where('deleted', '=', false);
  return (await rows.execute()).map(toStored);
}

export async function readJob(db: Db, jobId: bigint): Promise<StoredJob | undefined> {
  const query = db.selectFrom('jobs').select(['row', 'progress']).where('job_id', '=', jobId);
  const found = await query.where('deleted', '=', false).executeTakeFirst();
  return found === undefined ? undefined : toStored(found);
}

/** A page, newest first; one row more than the limit when there are more. */
export async function readJobs(
  db: Db,
  request: ListJobsRequest,
  limit: number,
): Promise<StoredJob[]> {
  const { jobIds, beforeJobId, states, policy, client, sinceMs } = request;
  let query = db.selectFrom('jobs').select(['row', 'progress']).where('deleted', '=', false);
  if (jobIds.length > 0) query = query.where('job_id', 'in', jobIds);
  if (beforeJobId > 0n) query = query.where('job_id', '<', beforeJobId);
  if (states.length > 0) query = query.where('state', 'in', states);
  if (policy !== '') query = query.where('policy', '=', policy);
  if (client !== '') query = query.where('client', '=', client);
  if (sinceMs > 0n) {
    const since = Number(sinceMs);
    query = query.where((eb) =>
      eb.or([eb('ended_ms', '>=', since), eb('state', '<>', 'JOB_STATE_DONE')]),
    );
  }
  const rows = await query
    .orderBy('job_id', 'desc')
    .limit(limit + 1)
    .execute();
  return rows.map(toStored);
}

export async function countStates(db: Db): Promise<StateCount[]> {
  const { rows } = await sql<StateCount>`select state, status, count(*) count from jobs
    where not deleted group by state, status`.execute(db);
  return rows;
}

export async function readTries(db: Db, jobId: bigint): Promise<TryRow[]> {
  const query = db.selectFrom('tries').select('row').where('job_id', '=', jobId);
  return (await query.orderBy('try').execute()).map(({ row }) => tryCodec.decode(row));
}

export async function readLines(
  db: Db,
  jobId: bigint,
  afterLine: bigint,
  limit: number,
): Promise<LineTable[]> {
  return await db
    .selectFrom('lines')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('number', '>', afterLine)
    .orderBy('number')
    .limit(limit)
    .execute();
}

export async function saveProgress(tx: Db, progress: Progress): Promise<void> {
  const bytes = progressCodec.encode(progress);
  await sql`update jobs set progress = ${bytes}
    where job_id = ${progress.attempt?.jobId ?? 0n} and state <> 'JOB_STATE_DONE'`.execute(tx);
}

/**
 * Leaves a mark for each deleted record, so that an event that comes again does not bring it back.
 * @returns the jobs that were deleted
 */
export async function deleteJobs(tx: Db, jobIds: readonly bigint[]): Promise<bigint[]> {
  if (jobIds.length === 0) return [];
  const gone = await tx
    .updateTable('jobs')
    .set({ deleted: true, row: new Uint8Array() })
    .where('job_id', 'in', jobIds)
    .where('state', '=', 'JOB_STATE_DONE')
    .where('deleted', '=', false)
    .returning('job_id')
    .execute();
  const ids = gone.map((row) => row.job_id);
  if (ids.length === 0) return [];
  await tx.deleteFrom('lines').where('job_id', 'in', ids).execute();
  await tx.deleteFrom('tries').where('job_id', 'in', ids).execute();
  return ids;
}

/** Jobs whose record is older than this, a bounded number at once. */
export async function findOld(db: Db, beforeMs: number): Promise<bigint[]> {
  const query = db.selectFrom('jobs').select('job_id').where('state', '=', 'JOB_STATE_DONE');
  const old = query.where('deleted', '=', false).where('ended_ms', '<', beforeMs).limit(1_000);
  return (await old.execute()).map((row) => row.job_id);
}

/** Marks, and lines of jobs that were never told of, once no stream can bring their events again. */
export async function deleteMarks(tx: Db, beforeMs: number): Promise<void> {
  await sql`delete from jobs where deleted and ended_ms < ${beforeMs}`.execute(tx);
  await sql`delete from lines l where at_ms < ${beforeMs}
    and not exists (select 1 from jobs j where j.job_id = l.job_id)`.execute(tx);
}
