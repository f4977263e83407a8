// The port of one disk storage unit: fragments of images as files, in the blocks that a tape would hold. A stream writes
// and reads it as it does a drive. Every implementation passes `diskConformance` from `@tapestry/storage/conformance`.

import type { Drive, DriveOwner } from './drive.ts';

/** One copy of one image: what a stream writes, and what is deleted. */
export interface ImageCopy {
  readonly backupId: string;
  /** From 1. */
  readonly copy: number;
}

/** A fragment that was committed. */
export interface StoredFragment extends ImageCopy {
  /** From 1. */
  readonly fragment: number;
  readonly sizeBytes: number;
  /** When it was committed, epoch milliseconds. */
  readonly writtenMs: number;
}

/** What a stream needs of a drive to write fragments. A `Drive` is one. */
export type BlockSink = Pick<Drive, 'position' | 'writeBlocks' | 'writeFilemarks'>;

/** What a stream needs of a drive to read fragments. A `Drive` is one. */
export type BlockSource = Pick<Drive, 'locate' | 'readBlock'>;

/**
 * Tape file n is fragment n: the position begins at file 1, and `writeFilemarks(1, 'sync')` commits the fragment whose
 * blocks were written before it, under its name and durably, or not at all. No other count but 0 (flush) is taken, a
 * buffered filemark neither, and no block but those of `format/block.ts`. `earlyWarning` says that the storage is
 * above its high-water mark, `endOfMedium` that there is no room for the block.
 * Errors: 84 the disk failed, 902 a higher epoch took the image over, 20 a block of another form.
 */
export interface DiskSink extends BlockSink {
  /** Removes what was not committed. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Reads what is committed when it is read: `locate({file, block})` goes to block `block` of fragment `file`. The end of a
 * fragment reads as a filemark. Errors: 85, 86 no such fragment or block.
 */
export interface DiskSource extends BlockSource {
  /** Safe to call twice. */
  close(): Promise<void>;
}

export interface DiskSpace {
  /** What the unit may hold at most: its limit, else the size of its file system. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Not free: for a unit without a limit, whatever lies on its file system. */
  readonly usedBytes: number;
  /** Above the high-water mark: no new backup is to begin here. */
  readonly full: boolean;
  /** What deleting must free until the low-water mark is reached; 0 below it. */
  readonly bytesAboveLowWater: number;
}

/**
 * Errors, all `StatusError`: `invalidParameter` (20) no image has such a name, `alreadyExists` (226) the copy has
 * fragments, `staleGrant` (902) it was opened for writing under a higher epoch, `mediaInUse` (97) a live writer of the same epoch has it,
 * `storageUnitMissing` (2104) the folder cannot be used, `systemCallFailed` (11) the host's file system failed.
 */
export interface DiskStorage {
  /**
   * Begins to write a copy of an image. It is written once: fragments of an earlier try are deleted first, by their
   * owner. A writer with a higher epoch ends the rights of the one before.
   */
  write(image: ImageCopy, owner: DriveOwner): Promise<DiskSink>;

  read(image: ImageCopy): Promise<DiskSource>;

  /** Every committed fragment, for the reconciliation with the catalog: by backup id, copy and fragment. */
  list(): Promise<readonly StoredFragment[]>;

  /**
   * Deletes all fragments of a copy, durably; answers how many there were. Safe to repeat: after a crash some may be
   * gone and the rest is not. A live writer's copy is refused (97); `fence` ends the rights of one of a lower epoch.
   */
  delete(image: ImageCopy, options?: { readonly fence?: DriveOwner }): Promise<number>;

  /** Removes what dead writers left unfinished; answers how many files. The committed is never touched. */
  removeUnfinished(): Promise<number>;

  space(): Promise<DiskSpace>;

  /** Lets go. Safe to call twice. */
  close(): Promise<void>;
}
