// The port of one tape drive: blocks, filemarks and position, as SSC offers them.
// Every implementation passes `driveConformance` from `@tapestry/storage/conformance`.

/** The lease under which a drive is used. A higher epoch fences every lower one (see `Drive`). */
export interface DriveOwner {
  readonly grantId: string;
  readonly epoch: bigint;
}

/** What is in the drive. `loaded` is false for an empty drive and after `unload`. */
export interface LoadState {
  readonly loaded: boolean;
  /** Barcode of the cartridge in the drive, when there is one and the drive can tell. */
  readonly barcode: string | null;
  readonly writeProtected: boolean;
  /** Write once: only the end of data can be written. */
  readonly worm: boolean;
  /** A cleaning cartridge is in the drive: nothing can be read or written, and the robot may take it out again. */
  readonly cleaning?: boolean;
  /** The drive asks to be cleaned. It goes on working as well as it can. */
  readonly cleaningRequired?: boolean;
}

/** Sizes of a block that the drive takes, both inclusive. */
export interface BlockLimits {
  readonly minBytes: number;
  readonly maxBytes: number;
}

/**
 * Where the next block is read or written. Numbers are safe integers.
 * `object` counts blocks and filemarks from the beginning of the medium; it is null where the device cannot tell.
 * `file` counts the filemarks before the position, `block` the blocks since the last of them.
 */
export interface Position {
  readonly object: number | null;
  readonly file: number;
  readonly block: number;
}

export type LocateTarget =
  | { readonly object: number }
  | { readonly file: number; readonly block: number }
  | 'endOfData';

/**
 * The parts are written one behind the other as one block, without being copied. `crc32` is the CRC-32 (zlib) of the
 * whole block where the caller knows it already; a drive that keeps sums uses it instead of reading the data once more.
 */
export interface WriteBlock {
  readonly parts: readonly Uint8Array[];
  readonly crc32?: number;
}

/**
 * The end of a medium is a value, not an error.
 * `written`: how many of the given blocks (or filemarks) are on the medium or in the drive's buffer, from the first on.
 * `earlyWarning`: the position is past early warning. What counts in `written` was accepted and is not repeated.
 * `endOfMedium`: the next one did not fit; nothing of it was written.
 */
export interface WriteResult {
  readonly written: number;
  readonly earlyWarning: boolean;
  readonly endOfMedium: boolean;
  /** Past the point that the caller asked to be told of, before early warning; absent when it asked for none. */
  readonly programmableEarlyWarning?: boolean;
}

/**
 * `block`: `lengthBytes` bytes are in the buffer, `crc32` is their sum where the drive computed it.
 * `oversize`: the block is longer than the buffer, which holds its first bytes; the position is behind the block.
 * `filemark`: the position is behind the mark. `endOfData`: nothing was read, the position did not change.
 */
export type ReadResult =
  | { readonly kind: 'block'; readonly lengthBytes: number; readonly crc32: number | null }
  | { readonly kind: 'oversize'; readonly lengthBytes: number }
  | { readonly kind: 'filemark' }
  | { readonly kind: 'endOfData' };

/** `spaced` is how far it went, unsigned; less than asked when `stoppedAt` is not null. */
export interface SpaceResult {
  readonly spaced: number;
  readonly stoppedAt: 'filemark' | 'endOfData' | 'beginning' | null;
}

export interface Capacity {
  readonly capacityBytes: number;
  readonly usedBytes: number;
}

/** `sync`: returns when everything written so far is on the medium. `buffered`: only the order is promised. */
export type FilemarkMode = 'sync' | 'buffered';

/**
 * One drive, held by one owner. Calls are made one at a time: a second call before the first settled is a bug of the
 * caller. Each call ends within the implementation's own deadline; none waits for a person.
 *
 * Fence: once the drive was opened with a higher epoch, every call here that reads, writes or moves the tape fails with
 * `staleGrant` (902), and nothing that is written through this object becomes part of the medium.
 *
 * Errors, all `StatusError`: `driveNotReady` (2037) nothing is loaded, `mediaOpenError` (83) what is loaded cannot be
 * used, `mediaWriteError` (84), `mediaReadError` (85), `mediaPositionError` (86), `mediaCloseError` (87),
 * `writeProtected` (2047), `invalidParameter` (20) a size or count outside the limits. After 84 or 86 the position is
 * unknown to the caller: ask `position`, never write on blindly. `databaseError` (220) and `diskFull` (129) when an
 * emulated drive cannot ask or tell its library: nothing is wrong with the medium.
 */
export interface Drive {
  /** Never fails for an empty drive, so it serves as the ready poll. */
  loadState(): Promise<LoadState>;

  blockLimits(): Promise<BlockLimits>;

  /**
   * Reads the block at the position into `into` and moves behind it. A block that is damaged fails with 85 and is
   * skipped: the next call reads the one behind it.
   */
  readBlock(into: Uint8Array): Promise<ReadResult>;

  /**
   * Writes blocks in order at the position; everything behind the last one is gone. Stops behind the block that
   * reaches early warning (it is written) and before the block that does not fit. A call that begins past early
   * warning writes all that fits. The buffers belong to the drive until the promise settles. On 84 the medium ends at
   * the last block that was written in full.
   */
  writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult>;

  /** Writes `count` filemarks; 0 with `sync` only flushes. Early warning and end of medium as for blocks. */
  writeFilemarks(count: number, mode: FilemarkMode): Promise<WriteResult>;

  /**
   * Moves to a position that exists or to the end of data. A target behind the end of data, or a block number behind
   * its file's last, fails with 86; where the tape stands is then the drive's affair. Flushes before it leaves the end
   * of what was written, as all calls here that move.
   */
  locate(target: LocateTarget): Promise<void>;

  /** `count` > 0: ends behind the n-th mark ahead. `count` < 0: ends before the n-th mark back. */
  spaceFilemarks(count: number): Promise<SpaceResult>;

  /** Moves over blocks. Stops behind a filemark that it meets going forward, before it going back. */
  spaceBlocks(count: number): Promise<SpaceResult>;

  position(): Promise<Position>;

  rewind(): Promise<void>;

  /**
   * Makes the medium end at the position, durably. At the beginning this empties the cartridge. `long` writes over all that
   * is behind it as well, which may take hours; a drive that cannot refuses with 16.
   */
  erase(how?: 'short' | 'long'): Promise<void>;

  /** Bytes on the medium and its size; null where the drive cannot tell. */
  capacity(): Promise<Capacity | null>;

  /**
   * TapeAlert flags (`TAPE_ALERT`) that were raised since they were last asked for, ascending; asking clears them. Absent
   * on drives that have none.
   */
  tapeAlerts?(): Promise<readonly number[]>;

  /** Flushes, rewinds and ejects: the cartridge stays in the drive for the robot, `loaded` becomes false. */
  unload(): Promise<void>;

  /**
   * Flushes and gives the drive back without ejecting. Also when it fails the drive is given back: with 84 when the
   * flush failed, with 902 when another owner has it already. Safe to call twice. The object is not used after it.
   */
  close(): Promise<void>;
}
