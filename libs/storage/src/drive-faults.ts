// What an emulated drive fails with when a test put a fault into it, and the TapeAlert flag that goes with a failure.

import { StatusError, type StatusName } from '@tapestry/status';
import type { FaultKind } from './faults.ts';
import { TAPE_ALERT } from './tape-alert.ts';

/** Faults that strike in a call on the medium. */
export type CallFault = Extract<FaultKind, `${string}Fails` | 'notReady'>;

const STATUS_OF: Readonly<Record<CallFault, StatusName>> = {
  notReady: 'driveNotReady',
  loadFails: 'mediaOpenError',
  readFails: 'mediaReadError',
  writeFails: 'mediaWriteError',
  positionFails: 'mediaPositionError',
  unloadFails: 'mediaCloseError',
};

const ALERTS: Readonly<Partial<Record<StatusName, number>>> = {
  mediaOpenError: TAPE_ALERT.loadingFailure,
  mediaReadError: TAPE_ALERT.readFailure,
  mediaWriteError: TAPE_ALERT.writeFailure,
  writeProtected: TAPE_ALERT.writeProtect,
};

export function driveFault(kind: CallFault): StatusError {
  return new StatusError(STATUS_OF[kind], `an injected fault: ${kind}`);
}

/** The flag that a drive raises for a failure; null for one that says nothing about drive or medium. */
export function alertOf(error: unknown, worm: boolean): number | null {
  if (!(error instanceof StatusError)) return null;
  if (error.status === 'writeProtected' && worm) return TAPE_ALERT.wormOverwriteAttempted;
  return ALERTS[error.status] ?? null;
}
