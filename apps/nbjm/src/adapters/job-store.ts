// Jobs in PostgreSQL: the state of each as one JSON value, what it is to do as the encoded contract, and columns for
// what is searched. It promises that a loaded job is exactly the one that was saved.

import { codec, type JobSpec } from '@tapestry/contracts';
import { fromJson, type Migrations, toJsonText } from '@tapestry/store';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Job } from '../core/state.ts';

export interface JobTable {
  id: bigint;
  submit_key: string;
  spec: Uint8Array;
  state: unknown;
  phase: string;
  media_server: string;
  ended_ms: number;
  version: bigint;
  /** The version that the newest JobChanged told. */
  told_version: bigint;
}

/** Work that a daemon does by itself under a job id. */
export interface TaskTable {
  id: bigint;
  key: string;
  /** An encoded JobRow, as it was told last. */
  row: Buffer;
  /** 0 while it goes on. */
  ended_ms: number;
}

export interface Database {
  jobs: JobTable;
  tasks: TaskTable;
}

export const migrations: Migrations = {
  '0001-jobs': async (tx) => {
    await sql`create sequence job_ids`.execute(tx);
    await sql`create table jobs (
      id bigint primary key,
      submit_key text collate "C" not null unique,
      spec bytea not null,
      state json not null,
      phase text not null,
      media_server text not null,
      ended_ms double precision not null,
      version bigint not null,
      told_version bigint not null default 0)`.execute(tx);
    await sql`create index jobs_untold on jobs (id) where told_version < version`.execute(tx);
    await sql`create index jobs_running on jobs (media_server)
      where phase in ('running', 'stopping')`.execute(tx);
    await sql`create index jobs_done on jobs (ended_ms) where phase = 'done'`.execute(tx);
  },
  '0002-tasks': async (tx) => {
    await sql`create table tasks (
      id bigint primary key, key text collate "C" not null unique, row bytea not null,
      ended_ms double precision not null)`.execute(tx);
  },
};

type Db = Kysely<Database> | Transaction<Database>;
type Saved = Omit<Job, 'id' | 'spec'>;

export async function nextJobId(tx: Db): Promise<bigint> {
  const { rows } = await sql<{ id: bigint }>`select nextval('job_ids') id`.execute(tx);
  return rows[0]!.id;
}

/** False when a job of this key exists already; the job is not saved then. */
export async function insertJob(tx: Db, key: string, job: Job): Promise<boolean> {
  const spec = codec('JobSpec').encode(job.spec);
  const columns = columnsOf(job);
  const added = await sql`insert into jobs
    (id, submit_key, spec, state, phase, media_server, ended_ms, version)
    values (${job.id}, ${key}, ${spec}, ${columns.state}::json, ${columns.phase},
      ${columns.mediaServer}, ${columns.endedMs}, ${job.version})
    on conflict (submit_key) do nothing returning id`.execute(tx);
  return added.rows.length > 0;
}

export async function findBySubmitKey(tx: Db, key: string): Promise<bigint | undefined> {
  const found = await tx
    .selectFrom('jobs')
    .select('id')
    .where('submit_key', '=', key)
    .executeTakeFirst();
  return found?.id;
}

/** Holds the job's row until the transaction ends, so that two events of one job come one after the other. */
export async function lockJob(tx: Transaction<Database>, id: bigint): Promise<Job | undefined> {
  const query = tx.selectFrom('jobs').select(['id', 'spec', 'state']).where('id', '=', id);
  const row = await query.forUpdate().executeTakeFirst();
  return row === undefined ? undefined : toJob(row);
}

export async function readJob(db: Db, id: bigint): Promise<Job | undefined> {
  const query = db.selectFrom('jobs').select(['id', 'spec', 'state']).where('id', '=', id);
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : toJob(row);
}

export async function readJobs(db: Db, ids: readonly bigint[]): Promise<Job[]> {
  if (ids.length === 0) return [];
  const query = db.selectFrom('jobs').select(['id', 'spec', 'state']).where('id', 'in', ids);
  return (await query.execute()).map(toJob);
}

/** Jobs whose run a media server has confirmed. */
export async function readRunning(db: Db): Promise<Job[]> {
  const query = db
    .selectFrom('jobs')
    .select(['id', 'spec', 'state'])
    .where('phase', 'in', ['running', 'stopping']);
  return (await query.execute()).map(toJob);
}

/** The images that restores which are not done name. */
export async function readImagesRead(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('jobs').select('spec').where('phase', '<>', 'done').execute();
  const steps = rows.flatMap(({ spec }) => codec('JobSpec').decode(spec).restore?.steps ?? []);
  return [...new Set(steps.map((step) => step.backupId))];
}

export async function updateJob(tx: Db, job: Job): Promise<void> {
  const columns = columnsOf(job);
  await sql`update jobs set state = ${columns.state}::json, phase = ${columns.phase},
    media_server = ${columns.mediaServer}, ended_ms = ${columns.endedMs}, version = ${job.version}
    where id = ${job.id}`.execute(tx);
}

/** Jobs that changed since they were last told of. */
export async function readUntold(db: Db): Promise<bigint[]> {
  const query = db.selectFrom('jobs').select('id');
  const rows = await query.whereRef('told_version', '<', 'version').orderBy('id').execute();
  return rows.map((row) => row.id);
}

export async function setTold(tx: Db, jobs: readonly Job[]): Promise<void> {
  const ids = jobs.map((job) => job.id);
  const versions = jobs.map((job) => BigInt(job.version));
  await sql`update jobs set told_version = told.version
    from unnest(${ids}::bigint[], ${versions}::bigint[]) as told(id, version)
    where jobs.id = told.id and jobs.told_version < told.version`.execute(tx);
}

/** Removes jobs that were done before this time; a bounded number at once. */
export async function deleteDone(db: Db, beforeMs: number): Promise<number> {
  const { rows } = await sql`delete from jobs where id = any(array(select id from jobs
    where phase = 'done' and ended_ms < ${beforeMs} and told_version = version limit 1000)) returning 1`.execute(
    db,
  );
  return rows.length;
}

function columnsOf(job: Job) {
  const { id: _id, spec: _spec, ...saved } = job;
  return {
    state: toJsonText(saved),
    phase: job.phase.name,
    mediaServer: job.shown.mediaServer,
    endedMs: job.shown.endedMs,
  };
}

function toJob(row: Pick<JobTable, 'id' | 'spec' | 'state'>): Job {
  const spec: JobSpec = codec('JobSpec').decode(row.spec);
  return { id: row.id, spec, ...(fromJson(row.state) as Saved) };
}
