// Brings a daemon's schema to this release: the store's own tables first, then the daemon's migrations,
// each once, in order, in one transaction under an advisory lock, so that two starts at once are harmless.

import assert from 'node:assert';
import { StatusError } from '@tapestry/status';
import { type Kysely, sql, type Transaction } from 'kysely';
import { databaseNowMs } from './time.ts';

/** Changes the schema; runs inside the one transaction of all migrations. Raw names meet the schema. */
export type Migration = (tx: Transaction<unknown>) => Promise<void>;

/** Name → migration, in ascending order of names: { '0001-jobs': up, '0002-tries': up }. Never edit one that was released. */
export type Migrations = Readonly<Record<string, Migration>>;

/** The store's own tables. `unique (name, epoch)` makes epoch a key column: leadership.ts needs that. */
const STORE_MIGRATIONS: Migrations = {
  'store/0001-lease': async (tx) => {
    await sql`create table lease (
      name text primary key,
      holder text not null,
      epoch bigint not null,
      until_ms double precision not null,
      unique (name, epoch))`.execute(tx);
  },
  'store/0002-effects': async (tx) => {
    await sql`create table effects (
      id bigint generated always as identity primary key,
      kind text not null,
      key text collate "C" not null unique,
      lane text collate "C" not null,
      payload json not null,
      due_ms double precision not null,
      tries integer not null default 0,
      state text not null default 'pending'
        check (state in ('pending', 'done', 'failed', 'superseded')),
      error text,
      created_ms double precision not null,
      ended_ms double precision)`.execute(tx);
    await sql`create index effects_lane on effects (lane, id) where state = 'pending'`.execute(tx);
    await sql`create index effects_order on effects (id) where state = 'pending'`.execute(tx);
    await sql`create index effects_due on effects (due_ms) where state = 'pending'`.execute(tx);
    await sql`create index effects_key on effects (key) where state = 'pending'`.execute(tx);
    await sql`create index effects_ended on effects (ended_ms) where state <> 'pending'`.execute(
      tx,
    );
  },
  'store/0003-answers': async (tx) => {
    await sql`create table answers (
      key text collate "C" primary key,
      response json not null,
      at_ms double precision not null)`.execute(tx);
    await sql`create index answers_at on answers (at_ms)`.execute(tx);
  },
};

/**
 * Runs what is missing.
 * @returns the names that ran
 * @throws StatusError databaseError when a newer release has changed this schema, which the caller
 *   would not understand
 */
export async function migrate(
  db: Kysely<unknown>,
  schema: string,
  migrations: Migrations,
): Promise<string[]> {
  const names = Object.keys(migrations);
  assert(
    names.every((name, i) => /^\d{4}-[a-z0-9-]+$/.test(name) && (i === 0 || names[i - 1]! < name)),
    `migrations need ascending names such as 0001-jobs: ${names.join(', ')}`,
  );
  return await db.transaction().execute(async (tx) => {
    await sql`set local statement_timeout = 0`.execute(tx);
    await sql`select pg_advisory_xact_lock(hashtextextended(${`tapestry/${schema}`}, 0))`.execute(
      tx,
    );
    await ensureSchema(tx, schema);
    const ran: string[] = [];
    const todo = { ...STORE_MIGRATIONS, ...migrations };
    for (const name of missing(Object.keys(todo), await applied(tx), schema)) {
      await todo[name]!(tx);
      await sql`insert into migrations values (${name}, ${databaseNowMs})`.execute(tx);
      ran.push(name);
    }
    return ran;
  });
}

/** Where the provisioning made the schema already, the role needs no right to make one. */
async function ensureSchema(tx: Transaction<unknown>, schema: string): Promise<void> {
  const found = await sql`select 1 from pg_namespace where nspname = ${schema}`.execute(tx);
  if (found.rows.length === 0) await sql`create schema ${sql.id(schema)}`.execute(tx);
  await sql`create table if not exists migrations (
    name text collate "C" primary key, at_ms double precision not null)`.execute(tx);
}

async function applied(tx: Transaction<unknown>): Promise<Set<string>> {
  const { rows } = await sql<{ name: string }>`select name from migrations`.execute(tx);
  return new Set(rows.map((row) => row.name));
}

function missing(known: string[], done: ReadonlySet<string>, schema: string): string[] {
  const foreign = [...done].filter((name) => !known.includes(name));
  if (foreign.length > 0) {
    throw new StatusError(
      'invalidEntry',
      `the database schema ${schema} was changed by a newer release (${foreign.join(', ')}); start that release`,
      { schema },
    );
  }
  return known.filter((name) => !done.has(name));
}
