// TAPE_OPEN on a drive of the library: claims it, looks whether what is in it suits the mode, and puts the tape back to
// where it stood: a drive without rewind leaves it there, but every holder of a virtual one begins at its beginning.

import { NDMP_ERROR, type Outcome, TAPE_OPEN_MODE } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import type { Drive, DriveOwner } from '@tapestry/storage';
import { DEVICE_TYPE } from '../core/scsi-inquiry.ts';
import { tapeErrorOf } from '../core/tape-errors.ts';
import { DRIVES } from '../core/tape-names.ts';
import type { TapePlace } from '../core/tape-protocol.ts';
import { TapeUnit } from './tape-unit.ts';

/** All opens of ndmpd are equal: who has a drive keeps it until it lets go or its process dies. */
const EPOCH = 1n;

/** `claim` opens the drive for the owner given, as `openVirtualDrive` does. */
export async function openTape(
  claim: (owner: DriveOwner) => Promise<Drive>,
  order: { grantId: string; serial: string; mode: number; at?: TapePlace | undefined },
): Promise<Outcome & { readonly drive?: TapeUnit }> {
  const { grantId, serial, mode, at } = order;
  let drive: Drive | undefined;
  try {
    drive = await claim({ grantId, epoch: EPOCH });
    const error = await mediumError(drive, mode);
    if (error !== NDMP_ERROR.noError) {
      await drive.close();
      return { error };
    }
    if (at !== undefined) await goBack(drive, at);
    const identity = { ...DRIVES, deviceType: DEVICE_TYPE.tape, serial };
    return { error, drive: new TapeUnit(drive, identity) };
  } catch (error) {
    await drive?.close().catch(() => undefined);
    if (error instanceof StatusError) return { error: tapeErrorOf(error.status) };
    throw error;
  }
}

async function goBack(drive: Drive, { barcode, ...place }: TapePlace): Promise<void> {
  const now = await drive.loadState();
  if (!now.loaded || now.barcode !== barcode) return;
  try {
    await drive.locate(place);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    await drive.rewind(); // somebody else wrote on it meanwhile
  }
}

/** RAW opens a drive as it is; the other modes need a medium that can be used so. */
async function mediumError(drive: Drive, mode: number): Promise<number> {
  if (mode === TAPE_OPEN_MODE.raw) return NDMP_ERROR.noError;
  const { loaded, writeProtected } = await drive.loadState();
  if (!loaded) return NDMP_ERROR.noTapeLoaded;
  const isRefused = mode === TAPE_OPEN_MODE.readWrite && writeProtected;
  return isRefused ? NDMP_ERROR.writeProtect : NDMP_ERROR.noError;
}
