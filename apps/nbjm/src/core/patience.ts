// How long nbjm goes on with a command that fails: for ever where only an answer may end the matter, for a bounded
// number of tries where a drive is held meanwhile or nobody waits.

import { STATUS, type StatusName } from '@tapestry/status';

/** The neighbour, its database or the way to it is away: it will be back. */
const AWAY: ReadonlySet<StatusName> = new Set([
  'cannotConnect',
  'connectTimedOut',
  'databaseError',
  'resourcesBusy',
  'networkBroken',
  'interrupted',
  'brokerUnreachable',
  'brokerRetryLater',
]);

/** With the runner's backoff eight tries take about a minute. */
const TRIES_MAX: Readonly<Record<string, number>> = { openImage: 9, startRun: 8, cancelRun: 12 };
/** An error that a neighbour calls temporary, but which stays, is its bug: the job must end all the same. */
const OTHER_TRIES_MAX = 12;

/** @param tries how often it was tried, this time included */
export function tryAgain(kind: string, status: StatusName, tries: number): boolean {
  if (STATUS[status].retry === 'never') return false;
  if (AWAY.has(status)) return tries < (TRIES_MAX[kind] ?? Number.POSITIVE_INFINITY);
  return tries < OTHER_TRIES_MAX;
}
