// Which database errors mean "the server cannot be reached now" (a StatusError that is tried again) and
// which are ours to handle or fix (passed on as they are, with PostgreSQL's own code).

import { StatusError } from '@tapestry/status';
import pg from 'pg';

/** Node's codes for a server that is absent or went away; ENOENT: its Unix socket does not exist. */
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOTFOUND',
]);
/** SQLSTATEs: the server is starting or stopping, has no room, or ended the session or the statement. */
const SERVER_CODES = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '57014', '25P03']);
/** pg reports these without a code. */
const LOST =
  /^(Connection terminated|timeout exceeded when trying|Query read timeout|Client has encountered)/;

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function isUnavailable(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (error instanceof pg.DatabaseError) {
    return code !== undefined && (SERVER_CODES.has(code) || code.startsWith('08'));
  }
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  return (code !== undefined && SYSTEM_CODES.has(code)) || LOST.test(error.message);
}

/** The error to throw in place of one from pg. */
export function asDatabaseError(error: unknown): unknown {
  if (!isUnavailable(error)) return error;
  const code = codeOf(error);
  const detail = `the database cannot be reached: ${error.message || code || 'no connection'}`;
  return new StatusError('databaseError', detail, code === undefined ? {} : { code }, {
    cause: error,
  });
}

/** True for "the database cannot be reached": nothing is wrong with the request itself. */
export function isDatabaseUnavailable(error: unknown): error is StatusError {
  return error instanceof StatusError && error.status === 'databaseError';
}

/** A row with this key exists already; `constraint` narrows it to one named constraint. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (!(error instanceof pg.DatabaseError) || error.code !== '23505') return false;
  return constraint === undefined || error.constraint === constraint;
}

/** Two transactions stood in each other's way; PostgreSQL undid this one, and it may simply run again. */
export function isSerializationFailure(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01');
}
