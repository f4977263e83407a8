// A cartridge let go by a drive that nobody uses, for the robot to take: drives of real libraries keep theirs until they are
// told to unload, whatever the robot wants.

import type { DriveOwner } from '@tapestry/storage';
import * as spc from '../scsi/spc.ts';
import type { ScsiTransport } from '../scsi/transport.ts';
import { Reservation } from './reservation.ts';
import { TAPE_TIMEOUTS, type TapeTimeouts, TapeUnit } from './tape-unit.ts';

/**
 * Resolves at once when no cartridge is loaded. `owner` null: nobody holds the drive. Errors: 97 or 902 somebody does, 86
 * it does not unload, and what the transport has.
 */
export async function ejectCartridge(
  transport: ScsiTransport,
  owner: DriveOwner | null,
  timeouts: Partial<TapeTimeouts> = {},
): Promise<void> {
  const all = { ...TAPE_TIMEOUTS, ...timeouts };
  const unit = new TapeUnit(transport, all, () => {});
  await unit.attach();
  const reservation = new Reservation(unit.device, owner, all.shortMs);
  await reservation.take();
  try {
    if ((await unit.testUnitReady()) !== null) return;
    await unit.set(spc.preventRemoval(false));
    await unload(unit);
  } finally {
    await reservation.release();
  }
}

export async function unload(unit: TapeUnit): Promise<void> {
  await unit.unload(false);
  // Some emulations say GOOD and keep the cartridge.
  if ((await unit.testUnitReady()) === null) await unit.unload(true);
}
