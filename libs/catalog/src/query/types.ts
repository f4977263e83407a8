// The words of a file list query: entries, pages and selections.

import type { PathText } from '../path-text.ts';
import type { FileType } from '../spool/entry.ts';

/** One file list to ask. The id is the caller's (a backup id) and comes back with each entry. */
export interface FileListRef {
  readonly id: string;
  /** The Parquet file on this host. */
  readonly file: string;
}

export interface FileListEntry {
  /** The id of the file list that holds the entry. */
  readonly listId: string;
  readonly path: PathText;
  readonly name: PathText;
  readonly type: FileType;
  readonly sizeBytes: bigint;
  /** Absent where the history did not say. */
  readonly mtimeS: number | undefined;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly node: bigint;
  /** Undefined: unknown, no direct access for this entry. */
  readonly fhInfo: bigint | undefined;
  /** False: the name existed at backup time, but the object is not in this image. */
  readonly saved: boolean;
}

export interface PageOptions {
  /** At most this many entries; 1 to 10,000, default 1,000. */
  readonly limit?: number;
  /** The `next` of the page before, or `cursorAfter` a path. */
  readonly after?: string | undefined;
  /**
   * With several lists: `all` gives one entry a list (default); `newest` gives each path once, from the last
   * list (in the order they are given) that saved it.
   */
  readonly merge?: 'all' | 'newest';
  /** Also names that were seen but not saved. Directories on the way are always shown. Default false. */
  readonly unsavedToo?: boolean;
}

export interface Page {
  /** Sorted by path, bytewise; then by the order of the lists. */
  readonly entries: readonly FileListEntry[];
  /** Present when there may be more. */
  readonly next: string | undefined;
}

export interface ListOptions extends PageOptions {
  /** 1: only the children; 2: their children too; default: everything below. */
  readonly depth?: number;
  /** Shell pattern that names must match: `*`, `?`, `[a-z]`. */
  readonly namePattern?: string;
}

export interface SearchOptions extends PageOptions {
  /** Only below this directory. */
  readonly under?: PathText;
  /** Text within the name … */
  readonly nameContains?: string;
  /** … or a shell pattern for the whole name; one of them must be given. */
  readonly namePattern?: string;
  readonly ignoreCase?: boolean;
}

export interface Totals {
  /** Saved entries of any type. */
  readonly entries: number;
  readonly files: number;
  /** Sum of the sizes of saved plain files. */
  readonly bytes: bigint;
}

/** What a user's selection means in one image. */
export interface Selection extends Totals {
  /** The paths that exist, without those that another one covers; sorted. */
  readonly roots: readonly FileListEntry[];
  /** Paths that the image does not hold. */
  readonly missing: readonly PathText[];
  /** True when a selected directory holds everything that was saved. */
  readonly wholeImage: boolean;
  /** True when every selected entry has an fh_info and not all of them are 0: direct access makes sense. */
  readonly direct: boolean;
  /** All selected saved entries in order of fh_info (unknown ones last), then path; at most `limit`. */
  readonly items: readonly FileListEntry[];
}
