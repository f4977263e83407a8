// What it means that a data connection did not come about, and when the other way round is worth a try.

import { DATA_HALT, NDMP_ERROR, NdmpError, nameOf } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import { callFailure, type FailedCall } from './outcome.ts';
import { explained } from './sub-reason.ts';

const { connect, illegalArgs, illegalState, notSupported, timeout, io } = NDMP_ERROR;
const TURNS: readonly number[] = [
  ...[connect, illegalArgs, illegalState, notSupported, timeout, io],
  NDMP_ERROR.undefined,
];

/** A failed way, thrown by `wayFailure`, that the filer refused at once and in order: it may take the other one. */
export function mayTurnAround({ cause }: StatusError): boolean {
  return cause instanceof NdmpError && cause.failure === 'refused' && TURNS.includes(cause.error);
}

/** The filer's refusal or silence. After silence nothing more can be tried in the same session: the cure is a setting. */
export function wayFailure(error: unknown, call: FailedCall): StatusError {
  const failure = callFailure(error, call);
  const isSilence = error instanceof NdmpError && error.failure === 'timedOut';
  if (!isSilence || error.request !== 'dataConnect') return failure;
  const cure = `if a firewall lets nothing out to this media server, set dataConnection of ${call.host} to "listen"`;
  const context = { ...failure.context, reason: 'moverUnreachable' };
  return new StatusError(failure.status, `${failure.detail}; ${cure}`, context, { cause: error });
}

/** Neither way led to a data connection: the first failure, with what became of the second. */
export function bothFailed(first: StatusError, second: StatusError): StatusError {
  const { status, detail, context } = first;
  const text = `${detail}; the other way round: ${second.detail}`;
  return new StatusError(status, text, context, { cause: second });
}

/** The filer listens, and our mover does not get there: its own status, with where that was. */
export function dialFailure({ status, detail }: StatusError, host: string): StatusError {
  const text = `${host} listens for its data connection, but ${detail}`;
  return new StatusError(status, text, { reason: 'filerUnreachable' });
}

/** The filer was connected to, and is in no state to start: it ended the connection, or another than it took ours. */
export function untakenFailure(
  facts: Pick<FailedCall, 'host' | 'isRestore'> & {
    readonly logTail: readonly string[];
    readonly haltReason: number;
  },
): StatusError {
  const { host, isRestore = false, logTail, haltReason } = facts;
  const { text, context } = explained(logTail);
  const detail = `${host} ended the data connection before it was used (${nameOf(DATA_HALT, haltReason)})`;
  return new StatusError(isRestore ? 'ndmpRestoreFailed' : 'ndmpFailed', detail + text, context);
}
