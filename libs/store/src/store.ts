// A primary daemon's PostgreSQL store: its own schema under its own role, brought up to date at open,
// with typed queries and transactions. What a transaction saves is there after any crash.

import assert from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import { guardedPool, makePool, type StoreConnection } from './connection.ts';
import { isDatabaseUnavailable, isSerializationFailure } from './database-error.ts';
import { type Migrations, migrate } from './migrate.ts';

const TRANSACTION_TRIES_MAX = 5;

/** The part of a pino logger that the store writes to. */
export interface StoreLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface StoreOptions {
  connection: StoreConnection;
  /** The daemon's name: also what the sessions are called in pg_stat_activity. */
  schema: string;
  migrations: Migrations;
  log: StoreLog;
  poolMax?: number | undefined;
  connectTimeoutMs?: number | undefined;
  /** The longest that one statement may take. */
  statementTimeoutMs?: number | undefined;
  /** How long openStore tries to reach a server that does not answer yet. */
  openTimeoutMs?: number | undefined;
}

export interface PoolCounts {
  total: number;
  idle: number;
  waiting: number;
}

export interface Store<DB> {
  /** Queries outside a transaction; table names meet the daemon's schema. */
  readonly db: Kysely<DB>;
  readonly schema: string;
  readonly log: StoreLog;
  /**
   * Runs `fn` in one READ COMMITTED transaction: all of it, or nothing. Where two transactions deadlock
   * one is run again, so `fn` must do nothing but queries through its `tx`.
   * @throws StatusError databaseError when the server cannot be reached; when that happens during the
   *   commit the outcome is unknown and the caller, whose mutation has a key, simply repeats it
   */
  transaction<T>(fn: (tx: Transaction<DB>) => Promise<T>): Promise<T>;
  /** Resolves when the server answers. */
  ping(): Promise<void>;
  /** For metrics. */
  poolCounts(): PoolCounts;
  /** Waits for running queries, then closes every connection. */
  close(): Promise<void>;
}

/** Callbacks of transactions that are still open, by their tx. */
const afterCommits = new WeakMap<object, (() => void)[]>();

/** Calls `fn` once the transaction is committed, never when it is undone. `tx` is one of Store.transaction. */
export function afterCommit(tx: object, fn: () => void): void {
  const list = afterCommits.get(tx);
  assert(list !== undefined, 'afterCommit needs the tx of a Store.transaction');
  list.push(fn);
}

/**
 * Connects, and brings the schema to this release.
 * @throws StatusError databaseError when the server did not answer within openTimeoutMs; invalidEntry
 *   when a newer release has changed the schema
 */
export async function openStore<DB>(options: StoreOptions): Promise<Store<DB>> {
  const { schema, log } = options;
  const pool = makePool(
    {
      connection: options.connection,
      schema,
      poolMax: options.poolMax ?? 10,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      statementTimeoutMs: options.statementTimeoutMs ?? 60_000,
    },
    (error) => log.warn({ err: error }, 'an idle database connection was lost'),
  );
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool: guardedPool(pool) }) });
  try {
    await migrateWhenReachable(db as Kysely<unknown>, options);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return {
    db,
    schema,
    log,
    transaction: (fn) => runTransaction(db, fn),
    ping: async () => void (await sql`select 1`.execute(db)),
    poolCounts: () => ({
      total: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    close: () => db.destroy(),
  };
}

async function migrateWhenReachable(db: Kysely<unknown>, options: StoreOptions): Promise<void> {
  const { schema, log } = options;
  const endAt = performance.now() + (options.openTimeoutMs ?? 60_000);
  for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, 1_000)) {
    try {
      const ran = await migrate(db, schema, options.migrations);
      if (ran.length > 0) log.info({ schema, migrations: ran }, 'the database schema was changed');
      return;
    } catch (error) {
      if (!isDatabaseUnavailable(error) || performance.now() + delayMs > endAt) throw error;
      log.info({ schema, reason: error.detail }, 'waiting for the database');
      await sleep(delayMs);
    }
  }
}

async function runTransaction<DB, T>(
  db: Kysely<DB>,
  fn: (tx: Transaction<DB>) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const callbacks: (() => void)[] = [];
    const run = db.transaction().execute(async (tx) => {
      afterCommits.set(tx, callbacks);
      return await fn(tx);
    });
    const outcome = await run.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ('value' in outcome) {
      for (const callback of callbacks) callback();
      return outcome.value;
    }
    const { error } = outcome;
    if (!isSerializationFailure(error)) throw error;
    if (tries >= TRANSACTION_TRIES_MAX) {
      const detail = 'transactions kept standing in each other’s way';
      throw new StatusError('databaseError', detail, { tries }, { cause: error });
    }
    await sleep(tries * 10 * (0.5 + Math.random()));
  }
}
