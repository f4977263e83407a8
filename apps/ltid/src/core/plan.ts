// Which robot move is next? From what is in a library's elements and what is wanted, the moves that bring a volume into a
// drive, or why there are none.

import type { StatusName } from '@tapestry/status';
import type { LibraryElement } from '@tapestry/storage';

export interface Move {
  readonly from: number;
  readonly to: number;
  /** For the log. */
  readonly why: string;
}

export type Plan =
  | { readonly moves: readonly Move[] }
  | { readonly failure: { readonly status: StatusName; readonly detail: string } };

export interface Wanted {
  readonly barcode: string;
  /** Number of the drive in its library, from 0. */
  readonly driveIndex: number;
  /** Drives that somebody holds, by that number: nothing is taken out of them. */
  readonly heldDrives: readonly number[];
}

/** An idle volume in the drive goes home first; a volume that is in the drive already needs no move. */
export function plan(elements: readonly LibraryElement[], wanted: Wanted): Plan {
  const { barcode, driveIndex } = wanted;
  const drive = elements.find(({ type, index }) => type === 'drive' && index === driveIndex);
  if (drive === undefined)
    return fail('mediaOpenError', `the robot has no drive ${driveIndex + 1}`);
  if (drive.full && drive.barcode === barcode) return { moves: [] };
  const source = elements.find((element) => element.full && element.barcode === barcode);
  if (source === undefined) {
    return fail('mediaMisplaced', `${barcode} is in no slot or drive of the robot`);
  }
  if (source.type === 'drive' && wanted.heldDrives.includes(source.index)) {
    return fail('mediaInUse', `${barcode} is in use in drive ${source.index + 1}`);
  }
  const load: Move = { from: source.address, to: drive.address, why: `load ${barcode}` };
  if (!drive.full) return { moves: [load] };
  const home = homeOf(drive, elements, source);
  if (home === undefined) {
    return fail('notMountable', `no free slot for ${drive.barcode ?? 'the volume in the drive'}`);
  }
  const unload: Move = { from: drive.address, to: home.address, why: `unload ${drive.barcode}` };
  return { moves: [unload, load] };
}

/** Where it came from when that is free, else any free slot. Never where the wanted volume stands: it is not gone yet. */
function homeOf(
  drive: LibraryElement,
  elements: readonly LibraryElement[],
  source: LibraryElement,
): LibraryElement | undefined {
  const free = elements.filter(
    ({ type, full, address }) => type === 'slot' && !full && address !== source.address,
  );
  return free.find(({ address }) => address === drive.sourceAddress) ?? free[0];
}

function fail(status: StatusName, detail: string): Plan {
  return { failure: { status, detail } };
}
