// One new file that grows at its end only: what is appended in full counts, a torn end is taken away, and a flush that
// failed once is never believed again.

import { StatusError } from '@tapestry/status';
import { type FileLayer, hostFiles, isDiskFull, writeAll, writeMost } from './file-layer.ts';

/** Written data is flushed in the background from here on, so that the flush at a filemark is short … */
const BACKGROUND_FLUSH_BYTES = 256 * 1024 * 1024;
/** … and in the foreground from here on, so that a slow disk never hides behind the page cache. */
const FORCED_FLUSH_BYTES = 1024 * 1024 * 1024;

export class AppendFile {
  readonly #fd: number;
  /** A description of its own: each one learns of a failed write-back once, and #fd must not miss it. */
  readonly #flushFd: number;
  readonly #files: FileLayer;
  #bytes: number;
  #unflushedBytes = 0;
  #flushing = false;
  #closeAfterFlush = false;
  #failure: Error | null = null;

  /** Makes the file; `start` is on the disk when this returns, its name when the caller syncs the folder. */
  constructor(path: string, start: Uint8Array, files: FileLayer = hostFiles) {
    this.#files = files;
    this.#bytes = start.length;
    this.#fd = files.create(path, 'create');
    try {
      if (start.length > 0) {
        writeAll(files, this.#fd, [start], 0);
        files.flush(this.#fd);
      }
      this.#flushFd = files.open(path);
    } catch (error) {
      files.close(this.#fd);
      files.remove(path);
      throw error;
    }
  }

  /** Where the next byte goes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends items of these sizes, which the buffers hold one behind the other; answers how many are in the file in full.
   * Fewer than all: the disk is full. A disk that fails throws `mediaWriteError`, after `confirm` was called for each
   * item that is in the file, with its offset.
   */
  append(
    buffers: readonly Uint8Array[],
    sizes: readonly number[],
    confirm: (index: number, offset: number) => void,
  ): number {
    this.#throwFailure();
    const { bytes, error } = writeMost(this.#files, this.#fd, buffers, this.#bytes);
    const reached = this.#bytes + bytes;
    let count = 0;
    for (const size of sizes) {
      if (this.#bytes + size > reached) break;
      const offset = this.#bytes;
      this.#bytes += size;
      confirm(count, offset);
      count += 1;
    }
    this.#unflushedBytes += bytes;
    if (error) this.#giveUpTail(error);
    else this.#flushInBackground();
    return count;
  }

  /** Removes what is torn and throws, except where the disk is just full. */
  #giveUpTail(error: Error): void {
    try {
      this.#files.truncate(this.#fd, this.#bytes);
    } catch (cause) {
      // It stays, and what comes next may be shorter: nothing more is written or believed here.
      this.#failure = cause as Error;
    }
    if (!isDiskFull(error)) {
      throw new StatusError('mediaWriteError', error.message, {}, { cause: error });
    }
  }

  #flushInBackground(): void {
    if (this.#unflushedBytes >= FORCED_FLUSH_BYTES) this.flush();
    if (this.#unflushedBytes < BACKGROUND_FLUSH_BYTES || this.#flushing) return;
    const bytes = this.#unflushedBytes;
    this.#flushing = true;
    this.#files.flushInBackground(this.#flushFd, (error) => {
      this.#flushing = false;
      if (error) this.#failure = error;
      else this.#unflushedBytes = Math.max(0, this.#unflushedBytes - bytes);
      if (this.#closeAfterFlush) this.#files.close(this.#flushFd);
    });
  }

  /** Everything appended so far is on the disk when this returns. */
  flush(): void {
    this.#throwFailure();
    try {
      this.#files.flush(this.#fd);
    } catch (cause) {
      this.#failure = cause as Error;
      this.#throwFailure();
    }
    this.#unflushedBytes = 0;
  }

  /** A failed flush may have dropped what it failed for, so a later one proves nothing: the file fails for good. */
  #throwFailure(): void {
    const cause = this.#failure;
    if (cause) {
      throw new StatusError(
        'mediaWriteError',
        `the file failed before: ${cause.message}`,
        {},
        { cause },
      );
    }
  }

  close(): void {
    this.#files.close(this.#fd);
    if (this.#flushing) this.#closeAfterFlush = true;
    else this.#files.close(this.#flushFd);
  }
}
