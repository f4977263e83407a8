// Gives each daemon its own role and its own schema in one database, and nobody else any right in it.

import pg from 'pg';
import type { Address, PostgresServer } from './postgres.ts';
import { SUPERUSER } from './postgres-data.ts';

export interface DaemonRole {
  /** Role and schema have the daemon's name. */
  name: string;
  /** Absent: a role without a password (a server that trusts its socket). */
  password?: string | undefined;
}

/**
 * Makes the database, the roles and their schemas where they are missing, and sets the passwords again.
 */
export async function provision(options: {
  server: Pick<PostgresServer, 'address'>;
  /** The superuser's; absent for a server that trusts its socket. */
  superuserPassword?: string | undefined;
  database: string;
  roles: readonly DaemonRole[];
}): Promise<void> {
  const { database, roles, server, superuserPassword: password } = options;
  await withClient({ ...server.address(), password }, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (found.rowCount === 0)
      await client.query(`create database ${pg.escapeIdentifier(database)}`);
  });
  await withClient({ ...server.address(SUPERUSER, database), password }, async (client) => {
    await client.query(`revoke all on database ${pg.escapeIdentifier(database)} from public`);
    await client.query('revoke all on schema public from public');
    for (const role of roles) await provisionRole(client, database, role);
  });
}

async function provisionRole(client: pg.Client, database: string, role: DaemonRole): Promise<void> {
  const name = pg.escapeIdentifier(role.name);
  const found = await client.query('select 1 from pg_roles where rolname = $1', [role.name]);
  if (found.rowCount === 0) await client.query(`create role ${name} login`);
  if (role.password !== undefined) {
    await client.query(`alter role ${name} password ${pg.escapeLiteral(role.password)}`);
  }
  await client.query(`grant connect on database ${pg.escapeIdentifier(database)} to ${name}`);
  await client.query(`create schema if not exists ${name} authorization ${name}`);
}

async function withClient(
  address: Address & { password: string | undefined },
  use: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const { password, ...rest } = address;
  const client = new pg.Client({
    ...rest,
    connectionTimeoutMillis: 10_000,
    query_timeout: 60_000,
    ...(password === undefined ? {} : { password }),
  });
  // A connection that breaks between two queries is reported by the next query.
  client.on('error', () => {});
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
