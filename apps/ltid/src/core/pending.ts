// Which failed mounts wait for an operator, and whether what the operator put into a drive is the volume.

import type { StatusName } from '@tapestry/status';
import type { LibraryElement } from '@tapestry/storage';

/** assign: the volume is in the drive now. deny: the mount fails. resubmit: it is tried again. */
export type PendingAnswer = 'assign' | 'deny' | 'resubmit';

export function isPendingAnswer(text: string): text is PendingAnswer {
  return text === 'assign' || text === 'deny' || text === 'resubmit';
}

/** What a person can put right: the volume is outside, or the robot has to be repaired. */
export function asksOperator(status: StatusName): boolean {
  return status === 'mediaMisplaced' || status === 'robotDown';
}

/** Why the drive cannot be taken for one that holds the volume; null when it can. A label without bars is believed. */
export function assignProblem(
  drive: LibraryElement | undefined,
  barcode: string,
): { readonly status: StatusName; readonly detail: string } | null {
  if (!drive?.full) return { status: 'driveNotReady', detail: 'nothing is in the drive' };
  if (drive.barcode === null || drive.barcode === barcode) return null;
  return { status: 'wrongTape', detail: `${drive.barcode} is in the drive, not ${barcode}` };
}
