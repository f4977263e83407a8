// The part of a session in which the filer's data service works: hears what it posts, asks for its progress, and knows of
// exactly one end. End of stream is no such thing: only the filer's own halt is, and a lost connection is a failure.

import {
  DATA_STATE,
  isRefusal,
  NDMP_ERROR,
  type NdmpClient,
  type NdmpHandlers,
  RECOVERY_STATUS,
} from '@tapestry/ndmp';
import { pause } from '@tapestry/runtime/until-answered';
import type { StatusError } from '@tapestry/status';
import { haltFailure, lostFailure } from './core/outcome.ts';
import type { FilerLog } from './filer-log.ts';

export interface DataPhaseParts {
  readonly host: string;
  readonly isRestore: boolean;
  readonly log: FilerLog;
  onHistory?: NdmpHandlers['onHistory'];
  onRead?(offset: bigint, length: bigint): void;
}

interface Halt {
  readonly reason: number;
  readonly text: string;
}

/** A filer that says by its state alone that it halted gets this long for the post. */
const POST_GRACE_MS = 5_000;
const POLL_FAILURES_MAX = 5;

export class DataPhase {
  readonly #parts: DataPhaseParts;
  readonly #halt = Promise.withResolvers<Halt>();
  #results = { succeeded: 0n, failed: 0n };

  constructor(parts: DataPhaseParts) {
    this.#parts = parts;
    this.#halt.promise.catch(() => undefined);
  }

  /** Results that the filer told, one an entry of the name list. */
  get results(): { readonly succeeded: bigint; readonly failed: bigint } {
    return this.#results;
  }

  handlers(): NdmpHandlers {
    const { log, host, isRestore, onHistory, onRead } = this.#parts;
    return {
      onLogMessage: (message) => log.hear(message),
      onLogFile: ({ name, status }) => this.#result(name, status),
      ...(onHistory === undefined ? {} : { onHistory }),
      onNotify: (post) => {
        if (post.name === 'notifyDataHalted') {
          this.#halt.resolve(post.body);
        }
        if (post.name === 'notifyDataRead') onRead?.(post.body.offset, post.body.length);
      },
      onClose: () => this.#halt.reject(lostFailure(host, log.tail, isRestore)),
    };
  }

  /** Breaks the phase off: `ended` rejects with this, if the filer was not faster. */
  break(error: StatusError): void {
    this.#halt.reject(error);
  }

  /**
   * Resolves when the filer halted well. `onProgress` gets the filer's count of bytes at most twice a second.
   * Rejects with 99 or 2813 for any other end, or with what `break` was given.
   */
  async ended(
    client: NdmpClient,
    pollEveryMs: number,
    onProgress: (bytes: bigint) => void,
  ): Promise<void> {
    const over = new AbortController();
    const polling = this.#poll(client, pollEveryMs, onProgress, over.signal);
    try {
      const halt = await this.#halt.promise;
      const { host, isRestore, log } = this.#parts;
      const failure = haltFailure({ ...halt, logTail: log.tail, host, isRestore });
      if (failure !== null) throw failure;
    } finally {
      over.abort();
      await polling;
    }
  }

  #result(name: string, status: number): void {
    const { log } = this.#parts;
    if (status === RECOVERY_STATUS.successful) {
      this.#results = { ...this.#results, succeeded: this.#results.succeeded + 1n };
      return;
    }
    this.#results = { ...this.#results, failed: this.#results.failed + 1n };
    const why = Object.entries(RECOVERY_STATUS).find(([, value]) => value === status)?.[0];
    const text = `not restored: ${name} (${why ?? status})`;
    log.hear({ ...NO_ASSOCIATION, logType: 2, messageId: 0, entry: text });
  }

  async #poll(
    client: NdmpClient,
    everyMs: number,
    onProgress: (bytes: bigint) => void,
    over: AbortSignal,
  ): Promise<void> {
    let failures = 0;
    while (!over.aborted && !client.isClosed) {
      await pause(everyMs, over);
      if (over.aborted || client.isClosed) return;
      try {
        const state = await client.getState({ signal: over });
        failures = 0;
        onProgress(state.bytesProcessed);
        if (state.state === DATA_STATE.halted) {
          await pause(POST_GRACE_MS, over);
          this.#halt.resolve({ reason: state.haltReason, text: 'told by its state alone' });
        }
      } catch (error) {
        if (over.aborted || isRefusal(error, NDMP_ERROR.notSupported)) return;
        failures += 1;
        // The filer hears us no more: its end would not reach us either.
        if (failures >= POLL_FAILURES_MAX) client.close();
      }
    }
  }
}

const NO_ASSOCIATION = { hasAssociatedMessage: 0, associatedSequence: 0 };
