// An error as an operator reads it. The HTTP code is for programs; the NetBackup code and the words are for people.

import { STATUS, type StatusError } from '@tapestry/status';

export interface Problem {
  readonly code: number;
  readonly name: string;
  readonly text: string;
  readonly detail: string;
}

const HTTP_CODES: Partial<Record<StatusError['status'], number>> = {
  jobMissing: 404,
  notFound: 404,
  robotMissing: 404,
  invalidParameter: 400,
  invalidRequest: 400,
  authenticationFailed: 401,
  accessDenied: 403,
  notAuthorized: 403,
  conflict: 409,
  cannotConnect: 503,
  connectTimedOut: 504,
};

export function httpCodeOf(error: StatusError): number {
  return HTTP_CODES[error.status] ?? 502;
}

export function problemOf(error: StatusError): Problem {
  return {
    code: error.code,
    name: error.status,
    text: STATUS[error.status].text,
    detail: error.detail,
  };
}
