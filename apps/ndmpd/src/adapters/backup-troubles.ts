// What a backup says of single objects: paths as the DMA knows them, and a count of what is not whole in the stream.

import { textFromBytes } from '@tapestry/ndmp';
import type { Reporter } from './reporter.ts';
import type { WalkedDirectory } from './walked-directory.ts';

export class BackupTroubles {
  readonly #report: Reporter;
  readonly #shownRoot: string;
  #failed = 0;

  constructor(report: Reporter, shownRoot: string) {
    this.#report = report;
    this.#shownRoot = shownRoot;
  }

  /** Objects that are missing from the stream or not whole in it. */
  get failed(): number {
    return this.#failed;
  }

  note(path: Buffer, what: string): void {
    this.#report.normal(`${this.#show(path)} ${what}`);
  }

  /** What no backup can help. */
  warn(path: Buffer, what: string): void {
    this.#report.warning(`${this.#show(path)} ${what}`);
  }

  /** What failed must be tried again: its directory counts as new to the next incremental. */
  fail(walked: WalkedDirectory, path: Buffer, what: string): void {
    this.#failed += 1;
    walked.hasFailed = true;
    this.#report.error(`${this.#show(path)} ${what}`);
  }

  #show(path: Buffer): string {
    const tail = path.length === 0 ? '' : `/${textFromBytes(path)}`;
    return `${this.#shownRoot}${tail}`;
  }
}
