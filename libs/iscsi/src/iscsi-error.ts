// The one error of the initiator: what failed, and whether the target may have done what was asked of it.

import { StatusError, type StatusName } from '@tapestry/status';

/**
 * connect: no connection to the portal. login: the target refused the session, or the two sides could not agree.
 * protocol: the target broke the rules and the connection was closed. closed: the connection ended.
 * timedOut: no answer in time. aborted: the task was ended by task management. nexusLost: the session is a later one than
 * the caller speaks of, nothing was sent. busy: too much is under way. refused: the target could not carry the command.
 */
export type IscsiFailure =
  | 'connect'
  | 'login'
  | 'protocol'
  | 'closed'
  | 'timedOut'
  | 'aborted'
  | 'nexusLost'
  | 'busy'
  | 'refused';

export interface IscsiErrorDetail {
  /** The target may have begun or finished the command: ask for the state before it is sent again. Default false. */
  readonly mayHaveTakenEffect?: boolean;
  /** Status class and detail of a refused login, as 0x0201. */
  readonly loginStatus?: number;
  readonly cause?: unknown;
}

export class IscsiError extends Error {
  override readonly name = 'IscsiError';
  readonly failure: IscsiFailure;
  readonly mayHaveTakenEffect: boolean;
  /** 0 when no login was refused. */
  readonly loginStatus: number;
  readonly detail: string;

  constructor(failure: IscsiFailure, detail: string, extra: IscsiErrorDetail = {}) {
    const mayHaveTakenEffect = extra.mayHaveTakenEffect ?? false;
    const effect = mayHaveTakenEffect ? '; the command may have taken effect' : '';
    super(`iSCSI ${failure}: ${detail}${effect}`, { cause: extra.cause });
    this.failure = failure;
    this.detail = detail;
    this.mayHaveTakenEffect = mayHaveTakenEffect;
    this.loginStatus = extra.loginStatus ?? 0;
  }

  /** A login that fails again until somebody changes something: credentials, names, what is offered. */
  get isPermanent(): boolean {
    return this.failure === 'login' && this.loginStatus >> 8 !== 3 && this.loginStatus !== 0x0206;
  }

  /** The same failure of one command that was, or was not, under way. */
  forCommand(mayHaveTakenEffect: boolean): IscsiError {
    const { failure, detail, loginStatus } = this;
    return new IscsiError(failure, detail, { mayHaveTakenEffect, loginStatus, cause: this });
  }
}

/** The target broke the rules: the connection that carried this must end. */
export function protocolError(detail: string): IscsiError {
  return new IscsiError('protocol', detail);
}

const STATUS_OF: Readonly<Record<IscsiFailure, StatusName>> = {
  connect: 'cannotConnect',
  login: 'accessDenied',
  protocol: 'protocolError',
  closed: 'networkBroken',
  timedOut: 'connectTimedOut',
  aborted: 'interrupted',
  nexusLost: 'networkBroken',
  busy: 'resourcesBusy',
  refused: 'protocolError',
};

/**
 * The status that a user sees; `status` where the caller knows better what the failure means for its work. That a login was
 * refused for its credentials says more than any of that.
 */
export function toStatusError(error: IscsiError, status?: StatusName): StatusError {
  const denied = error.loginStatus === 0x0201 ? 'authenticationFailed' : undefined;
  return new StatusError(
    denied ?? status ?? STATUS_OF[error.failure],
    error.message,
    { failure: error.failure },
    { cause: error },
  );
}
