// One process at a time has the key store open: the daemon, or a command that works on its files. The lock is the
// operating system's, so it ends with its process however that ends.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ownMark } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';
import { privateFolder } from './durable-files.ts';

const LOCK = 'KMS_LOCK';
const OWNER = 'KMS_LOCK.owner';

/** Gives the lock back with `close`. Errors: 1203 another process has it, and which; 1257. */
export function lockStore(dbDir: string): { close(): void } {
  privateFolder(dbDir);
  const database = new DatabaseSync(join(dbDir, LOCK), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    const why = `the key store in ${dbDir} is open in ${ownerOf(dbDir)}`;
    throw new StatusError('kmsBusy', why, {}, { cause: error });
  }
  writeFileSync(join(dbDir, OWNER), String(ownMark().pid), { mode: 0o600 });
  return { close: () => database.close() };
}

function ownerOf(dbDir: string): string {
  try {
    return `the process ${readFileSync(join(dbDir, OWNER), 'utf8')}`;
  } catch {
    return 'another process';
  }
}
