// The library that a suite is run over, and how its tests find their way in it.

import type { Drive, DriveOwner } from '../drive.ts';
import type { Fault } from '../faults.ts';
import type { Library, LibraryElement } from '../library.ts';

/** A library made for one test: at least two drives, four slots, one import/export element. */
export interface LibraryFixture {
  readonly library: Library;
  /** Null where drives are not opened through this library's own fence. */
  openDrive: ((driveIndex: number, owner: DriveOwner) => Promise<Drive>) | null;
  /** A second view of the same library; what one moves, the other sees. */
  reopen(): Promise<Library>;
  /** For emulated libraries: puts faults into them, and takes all out again. */
  readonly faults?: FaultSwitch;
  dispose(): Promise<void>;
}

export interface FaultSwitch {
  add(fault: Fault): Promise<void>;
  clear(): Promise<void>;
}

/** Behind the others, for libraries that have such cartridges. */
export interface CleaningWanted {
  readonly barcode: string;
  readonly cleanings: number;
}

/** Puts cartridges with these barcodes into the first slots. */
export type LibraryFactory = (
  barcodes: readonly string[],
  cleaning?: CleaningWanted,
) => Promise<LibraryFixture>;

export type MakeLibrary = (cleaning?: CleaningWanted) => Promise<LibraryFixture>;

export async function find(
  library: Library,
  type: LibraryElement['type'],
  index: number,
): Promise<LibraryElement> {
  const found = (await library.inventory()).find((e) => e.type === type && e.index === index);
  if (!found) throw new Error(`the fixture has no ${type} ${index}`);
  return found;
}
