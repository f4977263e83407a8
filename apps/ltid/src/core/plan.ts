// Which robot move is next? From what is in a library's elements and what is wanted, the moves that bring a volume into a
// drive, take one out of it, or empty the robot's hand; or why there are none.

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
  const drive = driveAt(elements, driveIndex);
  if (drive === undefined)
    return fail('mediaOpenError', `the robot has no drive ${driveIndex + 1}`);
  if (drive.full && drive.barcode === barcode) return { moves: [] };
  const source = elements.find((element) => element.full && element.barcode === barcode);
  if (source === undefined) {
    return fail('mediaMisplaced', `${barcode} is in no slot or drive of the robot`);
  }
  const isOthers = wanted.heldDrives.includes(source.index) || !source.accessible;
  if (source.type === 'drive' && isOthers) {
    return fail('mediaInUse', `${barcode} is in use in drive ${source.index + 1}`);
  }
  const load: Move = { from: source.address, to: drive.address, why: `load ${barcode}` };
  if (!drive.full) return { moves: [load] };
  const home = homeOf(drive, elements, source.address);
  if (home === undefined) {
    return fail('notMountable', `no free slot for ${drive.barcode ?? 'the volume in the drive'}`);
  }
  return { moves: [unloadTo(drive, home), load] };
}

/** What is in the drive goes home. Nothing to do when it is empty. */
export function planHome(elements: readonly LibraryElement[], driveIndex: number): Plan {
  const drive = driveAt(elements, driveIndex);
  if (!drive?.full) return { moves: [] };
  if (!drive.accessible) return fail('mediaInUse', `drive ${driveIndex + 1} is in use`);
  const home = homeOf(drive, elements);
  if (home !== undefined) return { moves: [unloadTo(drive, home)] };
  return fail('notMountable', `no free slot for ${drive.barcode ?? 'the volume in the drive'}`);
}

/** What the robot holds in its hand, after it was broken off, goes into a slot, or else out of the library. */
export function planPutDown(elements: readonly LibraryElement[]): Plan {
  const hand = elements.find(({ type, full }) => type === 'robot' && full);
  if (hand === undefined) return { moves: [] };
  const place =
    homeOf(hand, elements) ?? elements.find(({ type, full }) => type === 'importExport' && !full);
  const what = hand.barcode ?? 'a volume without a readable barcode';
  if (place === undefined) return fail('notMountable', `no free slot for ${what} in the hand`);
  return { moves: [{ from: hand.address, to: place.address, why: `put down ${what}` }] };
}

/** A volume in a mail slot goes into a free slot. Nothing to do when it is gone. */
export function planImport(elements: readonly LibraryElement[], address: number): Plan {
  const mail = elements.find((element) => element.address === address);
  if (!mail?.full) return { moves: [] };
  const what = mail.barcode ?? 'a volume without a readable barcode';
  const place = homeOf({ ...mail, sourceAddress: null }, elements);
  if (place === undefined) return fail('notMountable', `no free slot for ${what}`);
  return { moves: [{ from: address, to: place.address, why: `import ${what}` }] };
}

/** A volume leaves its slot, or a drive that nobody holds, for a free mail slot. */
export function planEject(
  elements: readonly LibraryElement[],
  { barcode, heldDrives }: Pick<Wanted, 'barcode' | 'heldDrives'>,
): Plan {
  const source = elements.find((element) => element.full && element.barcode === barcode);
  if (source === undefined) {
    return fail('mediaMisplaced', `${barcode} is in no slot or drive of the robot`);
  }
  if (source.type === 'importExport') return { moves: [] };
  const isHeld = source.type === 'drive' && heldDrives.includes(source.index);
  if (isHeld || !source.accessible) return fail('mediaInUse', `${barcode} is in use`);
  const place = elements.find(({ type, full }) => type === 'importExport' && !full);
  if (place === undefined) {
    return fail('notMountable', `no free import/export slot for ${barcode}`);
  }
  return { moves: [{ from: source.address, to: place.address, why: `eject ${barcode}` }] };
}

export function driveAt(
  elements: readonly LibraryElement[],
  driveIndex: number,
): LibraryElement | undefined {
  return elements.find(({ type, index }) => type === 'drive' && index === driveIndex);
}

function unloadTo(drive: LibraryElement, home: LibraryElement): Move {
  const what = drive.barcode ?? 'a volume without a readable barcode';
  return { from: drive.address, to: home.address, why: `unload ${what}` };
}

/** Where it came from when that is free, else any free slot. Never where the wanted volume stands: it is not gone yet. */
export function homeOf(
  { sourceAddress }: LibraryElement,
  elements: readonly LibraryElement[],
  notAddress?: number,
): LibraryElement | undefined {
  const free = elements.filter(
    ({ type, full, address }) => type === 'slot' && !full && address !== notAddress,
  );
  return free.find(({ address }) => address === sourceAddress) ?? free[0];
}

/** The elements as they are once the move was made. */
export function afterMove(
  elements: readonly LibraryElement[],
  { from, to }: Pick<Move, 'from' | 'to'>,
): LibraryElement[] {
  const source = elements.find(({ address }) => address === from);
  return elements.map((element) => {
    if (element.address === from) return { ...element, full: false, barcode: null };
    if (element.address !== to) return element;
    return { ...element, full: true, barcode: source?.barcode ?? null, sourceAddress: from };
  });
}

function fail(status: StatusName, detail: string): Plan {
  return { failure: { status, detail } };
}
