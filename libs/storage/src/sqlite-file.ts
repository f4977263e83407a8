// One SQLite file that several processes change: each change is one durable transaction, made or not made after a crash.

import { DatabaseSync } from 'node:sqlite';
import { StatusError } from '@tapestry/status';

/** Longer than any change takes: a folder sync on a busy disk. */
const BUSY_TIMEOUT_MS = 30_000;
/** SQLITE_FULL. */
const FULL = 13;

export function openSqlite(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  return db;
}

/** One transaction that no other process writes in; undone when `work` throws. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk may have ended the transaction already.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** What the database fails with, as a status; a full disk is told by its name. Anything else passes unchanged. */
export function sqliteFailure(error: unknown): unknown {
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
  if (code !== 'ERR_SQLITE_ERROR') return error;
  if (errcode === FULL) {
    return new StatusError('diskFull', 'the host has no room left', {}, { cause: error });
  }
  return new StatusError('databaseError', message ?? 'SQLite failed', {}, { cause: error });
}
