// What a media server's daemon must not forget: one SQLite file on its host, durable at every commit.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StatusError } from '@tapestry/status';

export type { DatabaseSync };

/** SQL of each version in order; only ever added to. */
export type HostMigrations = readonly string[];

/**
 * Opens or makes the file and brings it to the newest version.
 * Errors: 12 it cannot be opened; 220 it was written by a newer release.
 */
export function openHostStore(file: string, migrations: HostMigrations): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(file, { timeout: 5_000 });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
  } catch (error) {
    throw new StatusError(
      'fileOpenFailed',
      `the store ${file} cannot be opened`,
      { file },
      { cause: error },
    );
  }
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as {
    user_version: number;
  };
  if (version > migrations.length) {
    db.close();
    throw new StatusError(
      'databaseError',
      `${file} was written by a newer release (version ${version}): run that release`,
    );
  }
  try {
    for (let next = version; next < migrations.length; next += 1) {
      inTransaction(db, () => db.exec(`${migrations[next]}; PRAGMA user_version = ${next + 1};`));
    }
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

/** Runs `change` in one transaction: all of it is kept, or none. */
export function inTransaction<T>(db: DatabaseSync, change: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = change();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
