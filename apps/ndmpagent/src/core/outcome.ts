// What an end means: how a filer's halt, a lost connection or a refusal become one status with words that help.

import { DATA_HALT, isRefusal, NDMP_ERROR, NdmpError, nameOf } from '@tapestry/ndmp';
import { asStatusError, StatusError } from '@tapestry/status';
import { explained } from './sub-reason.ts';

export interface HaltFacts {
  /** DATA_HALT. */
  readonly reason: number;
  readonly text: string;
  /** The filer's last lines, oldest first. */
  readonly logTail: readonly string[];
  readonly host: string;
  readonly isRestore: boolean;
}

/** Null when the data server says that all went well. */
export function haltFailure(facts: HaltFacts): StatusError | null {
  const { reason, text, host, isRestore } = facts;
  if (reason === DATA_HALT.successful) return null;
  const what = isRestore ? 'restore' : 'backup';
  const why = `${host} ended the ${what} (${nameOf(DATA_HALT, reason)}${text === '' ? '' : `: ${text}`})`;
  const { text: more, context } = explained(facts.logTail);
  return new StatusError(isRestore ? 'ndmpRestoreFailed' : 'ndmpFailed', why + more, {
    ...context,
    halt: nameOf(DATA_HALT, reason),
  });
}

/** A halt that is called successful, of a backup in which nothing came: some servers overlook that their formatter failed. */
export function emptyFailure(
  facts: Pick<HaltFacts, 'host' | 'logTail'> & { path: string; bytes: bigint; files: bigint },
): StatusError | null {
  const { host, path, bytes, files, logTail } = facts;
  if (bytes > 0n || files > 0n) return null;
  const { text, context } = explained(logTail);
  const detail = `${host} says that the backup of ${path} went well, but sent nothing: is the path there?${text}`;
  const reason = context.reason === 'unknown' ? 'nothingSent' : context.reason!;
  return new StatusError('ndmpFailed', detail, { reason });
}

/** The control connection ended while the data server worked: nothing it sent can count as whole. */
export function lostFailure(
  host: string,
  logTail: readonly string[],
  isRestore: boolean,
): StatusError {
  const detail = `the NDMP connection to ${host} was lost before it ended the operation`;
  const { text } = explained(logTail);
  const status = isRestore ? 'ndmpRestoreFailed' : 'ndmpFailed';
  return new StatusError(status, detail + text, { reason: 'connectionLost' });
}

export interface FailedCall {
  readonly host: string;
  /** What was tried: "start the backup of /vol1". */
  readonly doing: string;
  readonly logTail?: readonly string[];
  readonly isRestore?: boolean;
}

/** A failed call, in the words of what was tried. */
export function callFailure(error: unknown, call: FailedCall): StatusError {
  const { host, doing, logTail = [], isRestore = false } = call;
  const ours = isRestore ? 'ndmpRestoreFailed' : 'ndmpFailed';
  if (!(error instanceof NdmpError)) return asStatusError(error, ours);
  const { text, context } = explained(logTail, error.error, error.message);
  const detail = `${host}: ${doing}: ${error.message}${text}`;
  const status = error.failure === 'cancelled' ? 'cancelled' : ours;
  return new StatusError(status, detail, { ...context, ndmpError: error.error }, { cause: error });
}

/** The connection stands, but no session comes about: the filer takes none, or speaks no version of ours. */
export function openFailure(error: unknown, host: string): StatusError {
  const isGreeting = error instanceof NdmpError && error.request === 'connect';
  if (!isGreeting || error.failure !== 'refused') {
    return callFailure(error, { host, doing: 'open the NDMP connection' });
  }
  const cure = 'is this media server on its list of NDMP clients, and has it sessions to spare?';
  const detail = `${host} takes no NDMP session from here (${error.message}): ${cure}`;
  return new StatusError('ndmpFailed', detail, { reason: 'sessionRefused' }, { cause: error });
}

/** The same failure with what the filer said meanwhile. */
export function withWords(error: unknown, words: readonly string[]): unknown {
  if (!(error instanceof StatusError) || words.length === 0) return error;
  const { status, detail, context } = error;
  const { text, context: reason } = explained(words);
  const isKnown = context.reason !== undefined && context.reason !== 'unknown';
  const facts = isKnown ? context : { ...context, ...reason };
  return new StatusError(status, detail + text, facts, { cause: error });
}

/** A refused start that may go better without direct access: not one that would be refused in any case. */
export function mayRefuseDirect(error: unknown): boolean {
  const { notAuthorized, permission, connect, deviceBusy, noMemory } = NDMP_ERROR;
  const other: readonly number[] = [notAuthorized, permission, connect, deviceBusy, noMemory];
  return error instanceof NdmpError && error.failure === 'refused' && !other.includes(error.error);
}

/** A restore with direct access that failed for it, or at once and without a word about anything else. */
export function mayHaveFailedDirect({ context }: StatusError, bytes: bigint): boolean {
  if (context.reason === 'directAccessRefused') return true;
  return context.reason === 'unknown' && context.halt === 'internalError' && bytes === 0n;
}

export function loginFailure(error: unknown, host: string, user: string): StatusError {
  const refused =
    isRefusal(error, NDMP_ERROR.notAuthorized) || isRefusal(error, NDMP_ERROR.permission);
  if (!refused) return callFailure(error, { host, doing: 'log in' });
  const cure = 'check its NDMP user and password and enter them again with tpconfig';
  return new StatusError(
    'ndmpFailed',
    `${host} refused the NDMP log-in of ${user}: ${cure}`,
    { host, reason: 'loginRefused' },
    { cause: error },
  );
}

/** Failures of the control connection itself: 47 no way there, 58 refused, 41 no answer. */
export function connectFailure(error: unknown, host: string, address: string): StatusError {
  const { code } = error as NodeJS.ErrnoException;
  const where = `NDMP host ${host} (${address})`;
  if (code === 'ECONNREFUSED') {
    const cure = 'is its NDMP service running on that port?';
    return new StatusError(
      'cannotConnectToClient',
      `${where} refused: ${cure}`,
      {},
      { cause: error },
    );
  }
  if (code === 'ETIMEDOUT') {
    const cure = 'is a firewall in between?';
    return new StatusError(
      'connectTimedOut',
      `${where} does not answer: ${cure}`,
      {},
      { cause: error },
    );
  }
  const why = error instanceof Error ? error.message : String(error);
  return new StatusError(
    'hostUnreachable',
    `${where} cannot be reached: ${why}`,
    {},
    { cause: error },
  );
}

export interface RestoreCounts {
  readonly expectedFiles: bigint;
  /** Results that the filer told, an entry each; many tell none. */
  readonly succeeded: bigint;
  readonly failed: bigint;
}

/** Files restored and failed. A filer that names failures is believed; one that tells nothing halted well. */
export function restoreCounts({ expectedFiles, succeeded, failed }: RestoreCounts): {
  files: bigint;
  filesFailed: bigint;
} {
  if (failed === 0n) {
    return { files: expectedFiles > succeeded ? expectedFiles : succeeded, filesFailed: 0n };
  }
  const rest = expectedFiles > failed ? expectedFiles - failed : 0n;
  return { files: succeeded > 0n || expectedFiles === 0n ? succeeded : rest, filesFailed: failed };
}
