// The one error of an NDMP conversation: what was asked, how it failed, and the server's own code.
// Agents branch on it; people see it as a StatusError.

import { StatusError, type StatusName } from '@tapestry/status';
import { NDMP_ERROR, nameOf } from './constants.ts';

/**
 * refused: the server answered with an error. timedOut: no answer in time (the connection still
 * works). cancelled: the caller's signal. closed: the connection ended. protocol: the peer broke the
 * rules, and the connection was closed.
 */
export type NdmpFailure = 'refused' | 'timedOut' | 'cancelled' | 'closed' | 'protocol';

export class NdmpError extends Error {
  override readonly name = 'NdmpError';
  readonly failure: NdmpFailure;
  /** The message that failed, in the names of the table, or "connect". */
  readonly request: string;
  /** NDMP_ERROR of a refusal, else 0. */
  readonly error: number;

  constructor(
    failure: NdmpFailure,
    request: string,
    detail: { error?: number; text?: string; cause?: unknown } = {},
  ) {
    const error = detail.error ?? NDMP_ERROR.noError;
    const why = failure === 'refused' ? nameOf(NDMP_ERROR, error) : failure;
    const text = detail.text === undefined ? '' : `: ${detail.text}`;
    super(`NDMP ${request} ${why}${text}`, { cause: detail.cause });
    this.failure = failure;
    this.request = request;
    this.error = error;
  }
}

/** True for the server's own refusal with this code. */
export function isRefusal(error: unknown, code: number): error is NdmpError {
  return error instanceof NdmpError && error.failure === 'refused' && error.error === code;
}

const STATUS_OF: Readonly<Record<NdmpFailure, StatusName>> = {
  refused: 'ndmpFailed',
  timedOut: 'connectTimedOut',
  cancelled: 'cancelled',
  closed: 'networkBroken',
  protocol: 'ndmpFailed',
};

/** The status that a user sees for this failure. */
export function toStatusError(error: NdmpError): StatusError {
  const denied = error.failure === 'refused' && error.error === NDMP_ERROR.notAuthorized;
  const status = denied ? 'authenticationFailed' : STATUS_OF[error.failure];
  const context = { request: error.request, ndmpError: error.error };
  return new StatusError(status, error.message, context, { cause: error });
}
