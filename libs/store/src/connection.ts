// How a store reaches PostgreSQL: the pool's settings, how columns become JavaScript values, and one
// place where every error of the driver passes.

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { asDatabaseError } from './database-error.ts';

/** Paths of PEM files; `true`: TLS with the host's own list of authorities. */
export type StoreTls = true | { caFile: string; certFile?: string; keyFile?: string };

/** `host` may be the folder of a Unix socket. Secrets are files, read again at every new connection. */
export interface StoreAddress {
  host: string;
  port?: number | undefined;
  user: string;
  passwordFile?: string | undefined;
  database: string;
  ssl?: StoreTls | undefined;
}

/** A URL for what needs no secret (a trusted socket), or with `passwordFile` beside it. */
export type StoreConnection = { url: string; passwordFile?: string | undefined } | StoreAddress;

export interface PoolOptions {
  connection: StoreConnection;
  schema: string;
  poolMax: number;
  connectTimeoutMs: number;
  statementTimeoutMs: number;
}

const INT8_OID = 20;

/** int8 becomes bigint, always. The rest is pg's own: float8 number, json parsed, bytea Buffer. */
function typeParser(oid: number, format?: 'text' | 'binary') {
  if (oid === INT8_OID && format !== 'binary') return BigInt;
  return pg.types.getTypeParser(oid, format as 'text');
}

/** Makes the pool. Nothing is connected before the first query. `onIdleError` hears of lost idle connections. */
export function makePool(options: PoolOptions, onIdleError: (error: Error) => void): pg.Pool {
  const { connection } = options;
  const settings = {
    search_path: pg.escapeIdentifier(options.schema),
    statement_timeout: String(options.statementTimeoutMs),
    // A client whose host vanished must not hold the lease row or others' locks for long.
    idle_in_transaction_session_timeout: '30000',
    tcp_keepalives_idle: '15',
    tcp_keepalives_interval: '5',
    tcp_keepalives_count: '3',
  };
  const { passwordFile } = connection;
  const pool = new pg.Pool({
    ...('url' in connection ? urlConfig(connection.url) : addressConfig(connection)),
    ...(passwordFile === undefined
      ? {}
      : { password: async () => (await readFile(passwordFile, 'utf8')).trim() }),
    application_name: options.schema,
    options: Object.entries(settings)
      .map(([key, value]) => `-c ${key}=${value}`)
      .join(' '),
    max: options.poolMax,
    connectionTimeoutMillis: options.connectTimeoutMs,
    // Above the server's own limit: it ends a wait for an answer that a dead network will not bring.
    query_timeout: options.statementTimeoutMs + 5_000,
    keepAlive: true,
    types: { getTypeParser: typeParser },
  });
  pool.on('error', onIdleError);
  // While a transaction holds a client and no query runs, a lost connection is only an event, and one
  // that nobody hears ends the process. The next query reports it properly.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/**
 * pg lets a URL win over every other option, even where the URL lacks a part: an absent password would then
 * shadow the password file. A client that is never connected takes the URL apart.
 */
function urlConfig(url: string): pg.PoolConfig {
  const { host, port, user, database, password, ssl } = new pg.Client({ connectionString: url });
  return {
    host,
    port,
    ...(user === undefined ? {} : { user }),
    ...(database === undefined ? {} : { database }),
    ...(password ? { password } : {}),
    ssl,
  };
}

function addressConfig(address: StoreAddress): pg.PoolConfig {
  const { host, port, user, database, ssl } = address;
  return {
    host,
    user,
    database,
    ...(port === undefined ? {} : { port }),
    ...(ssl === undefined ? {} : { ssl: tlsConfig(ssl) }),
  };
}

function tlsConfig(ssl: StoreTls): pg.PoolConfig['ssl'] {
  if (ssl === true) return true;
  return {
    ca: readFileSync(ssl.caFile),
    ...(ssl.certFile === undefined ? {} : { cert: readFileSync(ssl.certFile) }),
    ...(ssl.keyFile === undefined ? {} : { key: readFileSync(ssl.keyFile) }),
  };
}

/** The pool as Kysely sees it: "cannot be reached" comes out as a StatusError, everywhere. */
export function guardedPool(pool: pg.Pool): PostgresPool {
  const guarded = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect().catch((error: unknown) => {
        throw asDatabaseError(error);
      });
      const known = guarded.get(client) ?? guardClient(client);
      guarded.set(client, known);
      return known;
    },
  };
}

function guardClient(client: pg.PoolClient): PostgresPoolClient {
  let unusable = false;
  const query = async (text: string, values: readonly unknown[]) => {
    try {
      return await client.query(text, [...values]);
    } catch (error) {
      const mapped = asDatabaseError(error);
      // After a missing answer the connection still waits for it: it must not go back to the pool.
      unusable ||= mapped !== error;
      throw mapped;
    }
  };
  return {
    // Cursors are not used by this store, so the promise form is the only one.
    query: query as unknown as PostgresPoolClient['query'],
    release: (destroy) => client.release(destroy === true || unusable),
  };
}
