// What a build of a file list is asked and answers. Plain data: it crosses a process boundary as JSON.

import type { PathText } from '../path-text.ts';

export interface BuildRequest {
  readonly spoolPath: string;
  /** The Parquet file to write; it appears whole or not at all. A folder `<outPath>.work-…` is used meanwhile. */
  readonly outPath: string;
  /** What the paths of this image are joined to, as the user sees them, e.g. `/vol1`. '/' for none. */
  readonly prefix: PathText;
  /**
   * Memory that the whole child process should stay below; the rest is spilled to disk beside `outPath`. Default
   * 512 MiB: enough for some ten million entries. A build that cannot be done so tries again with up to four times
   * as much for its engine, and says so in a warning.
   */
  readonly memoryLimitBytes?: number;
  /** Upper bound for what is spilled. Default: 90 % of the free space. */
  readonly spillLimitBytes?: number;
  readonly threads?: number;
  /** What to do with a spool that was not closed. Default `refuse` (imageInconsistent). */
  readonly incompleteSpool?: 'refuse' | 'use';
}

export interface BuildResult {
  /** Rows that stand for an object in the image; hard links count once a name. */
  readonly entries: number;
  /** All rows: with directories only passed through and names seen but not saved. */
  readonly rows: number;
  /** Sum of the sizes of saved plain files, once a name. */
  readonly bytes: bigint;
  /** SHA-256 of the Parquet file, in hex, and its length. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Findings in the history that did not stop the build. */
  readonly warnings: readonly string[];
}

export interface BuildProgress {
  readonly phase: 'read' | 'join' | 'write' | 'digest';
  readonly done: number;
  readonly total: number;
}
