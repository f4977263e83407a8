// The product's own PostgreSQL on one machine: its data lives with the state folder, its major version is
// written down there, and each daemon has a role, a schema and a password file.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import { defaultCacheDir, reachableFolder, serverUser } from './folders.ts';
import { type Address, type PostgresServer, startPostgres } from './postgres.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { SUPERUSER } from './postgres-data.ts';
import { provision } from './provision.ts';
import type { ServerExit } from './server-process.ts';

export interface StatePostgresOptions {
  /** The state folder of this installation. Passwords are kept in its `secrets/postgres` (mode 400). */
  stateDir: string;
  database: string;
  /** The daemons that get a role and a schema of their name. */
  roles: readonly string[];
  cacheDir?: string | undefined;
  onLine?: ((line: string) => void) | undefined;
  onUnexpectedExit?: ((exit: ServerExit) => void) | undefined;
}

/** How a daemon reaches its schema: the fields of @tapestry/store's StoreAddress. */
export interface RoleAddress extends Address {
  passwordFile: string;
}

export interface StatePostgres extends PostgresServer {
  roleAddress(role: string): RoleAddress;
}

/** `<stateDir>/postgres.json`: what made the data, and where it lies (for root, maybe below /var/lib). */
interface StateRecord {
  major: number;
  folder: string;
}

/**
 * Starts the server of a state folder, making it on the first start; roles, schemas and passwords are in
 * place when it resolves. A server left by a crash is ended first; one in use by a live process is refused.
 * @throws StatusError databaseError when the state was made by another major version, with what to do
 */
export async function startStatePostgres(options: StatePostgresOptions): Promise<StatePostgres> {
  const stateDir = resolve(options.stateDir);
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  mkdirSync(stateDir, { recursive: true, mode: 0o755 });
  const folder = await placeState(stateDir, cacheDir);
  const passwordFile = (role: string) => ensurePassword(join(stateDir, 'secrets/postgres'), role);
  const superuserFile = passwordFile(SUPERUSER);
  const server = await startPostgres({
    folder,
    cacheDir,
    durability: 'durable',
    passwordFile: superuserFile,
    onLine: options.onLine,
    onUnexpectedExit: options.onUnexpectedExit,
  });
  const { database, roles } = options;
  try {
    await provision({
      server,
      superuserPassword: readFileSync(superuserFile, 'utf8').trim(),
      database,
      roles: roles.map((name) => ({
        name,
        password: readFileSync(passwordFile(name), 'utf8').trim(),
      })),
    });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    ...server,
    roleAddress: (role) => ({
      ...server.address(role, database),
      passwordFile: passwordFile(role),
    }),
  };
}

/** Finds the data's folder, and refuses a state that another major version made. */
async function placeState(stateDir: string, cacheDir: string): Promise<string> {
  const user = serverUser();
  const { major } = await postgresBinaries(user, cacheDir);
  const path = join(stateDir, 'postgres.json');
  if (existsSync(path)) {
    const record = JSON.parse(readFileSync(path, 'utf8')) as StateRecord;
    refuseUnusable(record, major, stateDir);
    return record.folder;
  }
  const folder = reachableFolder(join(stateDir, 'postgres'), user);
  const record: StateRecord = { major, folder };
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
  return folder;
}

function refuseUnusable(record: StateRecord, major: number, stateDir: string): void {
  if (record.major !== major) {
    throw new StatusError(
      'databaseError',
      `the state in ${stateDir} was made with PostgreSQL ${record.major}, this release has ${major}: run the ` +
        'release that made it, or start this one with a new state folder (--state DIR)',
      { found: record.major, installed: major },
    );
  }
}

/** A password of its own for each role; whoever reads the file may be that daemon. */
function ensurePassword(folder: string, role: string): string {
  const path = join(folder, role);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o400 });
    renameSync(`${path}.new`, path);
  }
  return path;
}
