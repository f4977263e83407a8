// TAPE_OPEN on a drive of the library: claims it, looks whether what is in it suits the mode, and puts the tape back to
// where it stood: a drive without rewind leaves it there, but every holder of a virtual one begins at its beginning.

import { NDMP_ERROR, type Outcome, TAPE_OPEN_MODE } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import type { Drive, DriveOwner } from '@tapestry/storage';
import { DEVICE_TYPE } from '../core/scsi-inquiry.ts';
import { tapeErrorOf } from '../core/tape-errors.ts';
import { DRIVES } from '../core/tape-names.ts';
import type { TapePlace } from '../core/tape-places.ts';
import { TapeUnit } from './tape-unit.ts';

/** All opens of ndmpd are equal: who has a drive keeps it until it lets go or its process dies. */
const EPOCH = 1n;

/** `claim` opens the drive for the owner given, as `openVirtualDrive` does. */
export async function openTape(
  claim: (owner: DriveOwner) => Promise<Drive>,
  order: {
    readonly grantId: string;
    readonly serial: string;
    readonly mode: number;
    /** Where a tape stood when this drive was closed; asked once the drive is ours. */
    readonly placeOf?: (barcode: string) => TapePlace | undefined;
  },
): Promise<Outcome & { readonly drive?: TapeUnit }> {
  const { grantId, serial, mode, placeOf } = order;
  let drive: Drive | undefined;
  try {
    drive = await claim({ grantId, epoch: EPOCH });
    const error = await mediumError(drive, mode);
    if (error !== NDMP_ERROR.noError) {
      await drive.close();
      return { error };
    }
    if (placeOf !== undefined) await goBack(drive, placeOf);
    const identity = { ...DRIVES, deviceType: DEVICE_TYPE.tape, serial };
    return { error, drive: new TapeUnit(drive, identity) };
  } catch (error) {
    await drive?.close().catch(() => undefined);
    if (error instanceof StatusError) return { error: tapeErrorOf(error.status) };
    throw error;
  }
}

async function goBack(
  drive: Drive,
  placeOf: (barcode: string) => TapePlace | undefined,
): Promise<void> {
  try {
    const { loaded, barcode } = await drive.loadState();
    const place = loaded && barcode !== null ? placeOf(barcode) : undefined;
    if (place !== undefined) await drive.locate(place);
  } catch (error) {
    // Another host wrote on it meanwhile, or it cannot be read: then the place means nothing.
    if (!(error instanceof StatusError)) throw error;
    await drive.rewind().catch(() => undefined);
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
