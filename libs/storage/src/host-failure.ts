// What the host's file system refuses, as a status that says what to do about it.

import { AssertionError } from 'node:assert';
import { StatusError, type StatusName } from '@tapestry/status';
import { sqliteFailure } from './sqlite-file.ts';

const STATUS_OF: Readonly<Record<string, StatusName>> = {
  ENOSPC: 'diskFull',
  EDQUOT: 'diskFull',
  EFBIG: 'diskFull',
  EEXIST: 'alreadyExists',
  ENOTEMPTY: 'alreadyExists',
  ENOENT: 'invalidPath',
  ENOTDIR: 'invalidPath',
  ENAMETOOLONG: 'invalidPath',
  EACCES: 'fileOpenFailed',
  EPERM: 'fileOpenFailed',
  EROFS: 'fileWriteFailed',
};

/** Runs `work`; what the host or a database on it refuses becomes a StatusError: 129, 226, 104, 12, 14, else 11. */
export function orHostFailure<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw hostFailure(error);
  }
}

function hostFailure(error: unknown): unknown {
  const known = sqliteFailure(error);
  if (known instanceof StatusError || known instanceof AssertionError) return known;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const status = STATUS_OF[code] ?? 'systemCallFailed';
  return new StatusError(status, message, {}, { cause: error });
}
