// How a drive gets to places, whatever the device behind it can tell: the port of one way to position.

import type { LocateTarget, Position, SpaceResult } from '@tapestry/storage';

/**
 * Keeps the position between calls. `passed…` are told by whoever read or wrote, after the device said so. Until the next
 * call that names a place by itself (`rewind`, `locate`, and `position` where the device knows), a lost position makes
 * every other call fail with 86.
 */
export interface TapePositioning {
  /** Fails with 86 when the position is lost. Before a block is read, written or spaced over. */
  require(): Promise<void>;
  passedBlock(): void;
  passedFilemark(): void;
  /** A block could not be read: afterwards the tape stands behind it, or the position is lost. */
  passDamagedBlock(): Promise<void>;
  /** Everything behind the position is gone. Before what was written is passed. */
  cut(): void;
  lose(): void;
  position(): Promise<Position>;
  rewind(): Promise<void>;
  locate(target: LocateTarget): Promise<void>;
  spaceFilemarks(count: number): Promise<SpaceResult>;
  spaceBlocks(count: number): Promise<SpaceResult>;
}
