// The data process's mouth: logs, file history, recovery results. Posts are counted against a credit, so that
// a DMA which reads slowly slows the backup down instead of filling memory.

import { type HistoryFile, type HistoryNode, LOG_TYPE } from '@tapestry/ndmp';
import type { AheadRecord } from '../core/ahead-record.ts';
import type { WorkerReport } from '../core/data-protocol.ts';
import { HistoryBody } from '../core/history-body.ts';

const POSTS_IN_FLIGHT_MAX = 64;
const BATCH_BYTES = 32 * 1024;
const BATCH_AGE_MAX_MS = 500;
const LOGS_MAX = 10_000;

export class Reporter {
  readonly #send: (report: WorkerReport) => void;
  readonly #files = new HistoryBody('file');
  readonly #dirs = new HistoryBody('dir');
  readonly #nodes = new HistoryBody('node');
  #inFlight = 0;
  #logs = 0;
  #flushedAtMs = Date.now();
  #wake: (() => void) | undefined;

  constructor(send: (report: WorkerReport) => void) {
    this.#send = send;
  }

  /** The session passed this many posts on. */
  taken(posts: number): void {
    this.#inFlight -= posts;
    if (this.#inFlight < POSTS_IN_FLIGHT_MAX) this.#wake?.();
  }

  /** A promise to wait for when the DMA is behind; undefined when there is room. */
  room(): Promise<void> | undefined {
    if (this.#inFlight < POSTS_IN_FLIGHT_MAX) return undefined;
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  send(report: WorkerReport): void {
    this.#send(report);
  }

  normal(entry: string): void {
    this.#log(LOG_TYPE.normal, entry);
  }

  warning(entry: string): void {
    this.#log(LOG_TYPE.warning, entry);
  }

  error(entry: string): void {
    this.#log(LOG_TYPE.error, entry);
  }

  file(name: string, status: number): void {
    this.#inFlight += 1;
    this.send({ type: 'file', name, status });
  }

  historyFile(entry: HistoryFile): void {
    this.#files.addFile(entry);
    if (this.#files.sizeBytes >= BATCH_BYTES) this.flushHistory();
  }

  /** The name has one character a byte. */
  historyDir(name: string, node: bigint, parent: bigint): void {
    this.#dirs.addDir(name, node, parent);
    if (this.#dirs.sizeBytes >= BATCH_BYTES) this.#post(this.#dirs);
  }

  historyNode(entry: HistoryNode): void {
    this.#nodes.addNode(entry);
    if (this.#nodes.sizeBytes >= BATCH_BYTES) this.flushHistory();
  }

  /** The same two of a file that was read ahead, by its name in a directory; `offset` of its member. */
  plainFile(directory: Buffer, name: string, record: AheadRecord, offset: number): void {
    this.#files.addPlainFile(directory, name, record, offset);
    if (this.#files.sizeBytes >= BATCH_BYTES) this.flushHistory();
  }

  plainNode(record: AheadRecord, offset: number): void {
    this.#nodes.addPlainNode(record, offset);
    if (this.#nodes.sizeBytes >= BATCH_BYTES) this.flushHistory();
  }

  /** Sends what is collected when it is old: a DMA should see progress on slow trees, too. */
  flushOldHistory(): void {
    if (Date.now() - this.#flushedAtMs >= BATCH_AGE_MAX_MS) this.flushHistory();
  }

  /** A directory entry always goes out before the node it names. */
  flushHistory(): void {
    for (const batch of [this.#files, this.#dirs, this.#nodes]) {
      if (batch.count > 0) this.#post(batch);
    }
    this.#flushedAtMs = Date.now();
  }

  #post(batch: HistoryBody): void {
    this.#inFlight += 1;
    this.#send({ type: 'history', kind: batch.kind, body: batch.take() });
  }

  #log(logType: number, entry: string): void {
    this.#logs += 1;
    if (this.#logs > LOGS_MAX) return;
    this.#inFlight += 1;
    this.send({ type: 'log', logType, entry });
    if (this.#logs === LOGS_MAX) {
      this.send({ type: 'log', logType: LOG_TYPE.warning, entry: 'further messages are left out' });
    }
  }
}
