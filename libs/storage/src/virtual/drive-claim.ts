// Who may take a drive of a virtual library: the rule of epochs and live owners, in one place.

import { mayLive } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';
import type { DriveOwner } from '../drive.ts';
import type { DriveRow } from './library-database.ts';

/** Somebody who lives has the drive open. */
export function hasLiveHolder(drive: DriveRow): boolean {
  return drive.holder !== null && mayLive(drive.holder);
}

/** Throws `staleGrant` or `mediaInUse` when `owner` may not take the drive from who holds it. */
export function checkClaim(drive: DriveRow, owner: DriveOwner): void {
  const { index, epoch, grantId } = drive;
  if (owner.epoch < epoch) {
    throw new StatusError('staleGrant', `drive ${index} was opened under epoch ${epoch}`, {
      epoch: String(owner.epoch),
    });
  }
  if (owner.epoch === epoch && hasLiveHolder(drive)) {
    throw new StatusError('mediaInUse', `drive ${index} is held by grant ${grantId}`, {
      pid: drive.holder?.pid ?? 0,
    });
  }
}
