// The port of one tape library: elements, inventory and moves, as SMC offers them.
// Every implementation passes `libraryConformance` from `@tapestry/storage/conformance`.

import type { DriveOwner } from './drive.ts';

export type ElementType = 'robot' | 'slot' | 'importExport' | 'drive';

/**
 * One place for a cartridge. `address` is unique in the library and what moves are given in; `index` counts the elements
 * of one type from 0. `sourceAddress` is where the cartridge came from when the library knows.
 */
export interface LibraryElement {
  readonly address: number;
  readonly type: ElementType;
  readonly index: number;
  readonly full: boolean;
  /** Null for an empty element, and for a cartridge whose barcode cannot be read. */
  readonly barcode: string | null;
  readonly sourceAddress: number | null;
  /** False when the robot cannot reach it now: a drive that a live owner holds. */
  readonly accessible: boolean;
  /** Serial number of the drive, for drives that report it. */
  readonly driveSerial: string | null;
  /** What kind of cartridge it is, where the library can tell; null for an empty element. */
  readonly medium?: 'data' | 'worm' | 'cleaning' | null;
}

export interface LibraryIdentity {
  readonly vendor: string;
  readonly product: string;
  readonly serial: string;
}

/** `fence`: take the cartridge although a live owner of a lower epoch holds the drive, and end that owner's rights. */
export interface MoveOptions {
  readonly fence?: DriveOwner;
}

/**
 * One library with one robot; moves are made one at a time.
 * Errors, all `StatusError`: `robotMissing` (2059) the library cannot be reached, `invalidParameter` (20) no such
 * element, `robotDown` (2020) the robot cannot move, jammed or its door open: where the cartridge is then, `inventory` tells
 * once it works again, `slotEmpty` (2043) nothing to move, `notMountable` (164) the destination is full, `mediaInUse` (97) a live
 * owner holds the drive, `staleGrant` (902) the fence given is not higher than the drive's epoch.
 */
export interface Library {
  identity(): Promise<LibraryIdentity>;

  /** All elements, by address. What the library believes; it does not look again. */
  inventory(): Promise<readonly LibraryElement[]>;

  /** Looks at every element again (initialize element status) and answers the new inventory. */
  rescan(): Promise<readonly LibraryElement[]>;

  /**
   * Moves a cartridge and returns when the move is durable; a cartridge moved into a drive is loaded and ready at its
   * beginning, a cleaning cartridge cleans the drive. After a crash a move was made in full or not at all. Moving to where it is already is an error (164).
   */
  move(fromAddress: number, toAddress: number, options?: MoveOptions): Promise<void>;

  /** Lets go of the library. Safe to call twice. */
  close(): Promise<void>;
}
