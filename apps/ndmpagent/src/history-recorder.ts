// File history on its way from the filer's posts to the spool. A disk that is slower than the filer stops the reading of the
// control connection; nothing is ever dropped.

import { HistorySpool } from '@tapestry/catalog/spool';
import { type HistoryPost, readHistory } from '@tapestry/ndmp';
import { asStatusError, type StatusError } from '@tapestry/status';
import { spoolFile, spoolNode } from './core/history-entry.ts';

export interface Throttle {
  pause(): void;
  resume(): void;
}

export class HistoryRecorder {
  readonly #spool: HistorySpool;
  readonly #onFailure: (error: StatusError) => void;
  #throttle: Throttle | undefined;
  #draining = false;

  private constructor(spool: HistorySpool, onFailure: (error: StatusError) => void) {
    this.#spool = spool;
    this.#onFailure = onFailure;
  }

  /** `onFailure` is told of a spool that can no longer be written: the session must end. */
  static async create(
    path: string,
    onFailure: (error: StatusError) => void,
  ): Promise<HistoryRecorder> {
    return new HistoryRecorder(await HistorySpool.create(path), onFailure);
  }

  /** Objects that the filer told of so far. */
  get files(): bigint {
    const { files, nodes } = this.#spool.counts;
    return BigInt(files + nodes);
  }

  throttleWith(throttle: Throttle): void {
    this.#throttle = throttle;
  }

  record(post: HistoryPost): void {
    try {
      let hasRoom = true;
      readHistory(post, {
        file: (entry) => {
          hasRoom = this.#spool.appendFiles([spoolFile(entry)]);
        },
        dir: (entry) => {
          hasRoom = this.#spool.appendDirs([entry]);
        },
        node: (entry) => {
          hasRoom = this.#spool.appendNodes([spoolNode(entry)]);
        },
      });
      if (!hasRoom) void this.#drain();
    } catch (error) {
      this.#onFailure(asStatusError(error, 'ndmpFailed'));
    }
  }

  /** Everything is on the disk, and the spool says that it is whole. */
  close(): Promise<void> {
    return this.#spool.close();
  }

  abandon(): Promise<void> {
    return this.#spool.abandon();
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#throttle?.pause();
    try {
      await this.#spool.drain();
    } catch (error) {
      this.#onFailure(asStatusError(error, 'fileWriteFailed'));
    } finally {
      this.#draining = false;
      this.#throttle?.resume();
    }
  }
}
