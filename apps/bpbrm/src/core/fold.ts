// From the ends of the children to one status: the cause, not what followed from it.

import type { Status } from '@tapestry/contracts';

/** How one child failed; `told` is the reason that we gave it when we ended it, if we did. */
export interface ChildFailure {
  readonly status: Status;
  readonly told: Status | null;
}

export interface Failures {
  readonly cancel: Status | null;
  readonly stream: ChildFailure | null;
  readonly session: ChildFailure | null;
}

/** What bptm sees when the other end of the data connection is in trouble: the filer's side knows why. */
const CONSEQUENCES: ReadonlySet<string> = new Set([
  ...['socketReadFailed', 'networkBroken', 'connectTimedOut', 'earlyEof', 'interrupted'],
]);

/** Null when nothing failed. */
export function fold({ cancel, stream, session }: Failures): Status | null {
  if (cancel !== null) return cancel;
  const ofStream = ownStatus(stream);
  const ofSession = ownStatus(session);
  if (ofStream !== null && ofSession !== null) {
    return CONSEQUENCES.has(ofStream.name) ? ofSession : ofStream;
  }
  return ofStream ?? ofSession ?? stream?.status ?? session?.status ?? null;
}

/** The child's own reason; null when it only repeats what it was told. */
function ownStatus(failure: ChildFailure | null): Status | null {
  if (failure === null) return null;
  const { status, told } = failure;
  const isEcho = told !== null && told.name === status.name && told.detail === status.detail;
  return isEcho ? null : status;
}

/** A restore with failed files: some came back (1), or none (5). */
export function restoreStatus(restored: bigint, failed: bigint): Status {
  if (failed === 0n) return OK;
  const detail = `${failed} of ${restored + failed} files were not restored: the job details name them`;
  return restored > 0n
    ? { code: 1, name: 'partial', detail, context: {} }
    : { code: 5, name: 'restoreFailed', detail, context: {} };
}

export const OK: Status = { code: 0, name: 'ok', detail: '', context: {} };
