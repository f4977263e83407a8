// What the host's file system or the library's database fails with, as the status that a drive gives it.

import { AssertionError } from 'node:assert';
import { StatusError, type StatusName } from '@tapestry/status';

/** Runs `work`; anything but a StatusError or a bug becomes one of `status`. */
export function orMediaFailure<T>(status: StatusName, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof StatusError || cause instanceof AssertionError) throw cause;
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new StatusError(status, detail, {}, { cause });
  }
}
