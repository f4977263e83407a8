// The outbox: what a daemon must do to the outside because of a change (a command to a neighbour, an
// event) is a row saved in the change's own transaction. effect-runner.ts then does it, at least once.

import assert from 'node:assert';
import { sql, type Transaction } from 'kysely';
import { toJsonText } from './json-value.ts';
import { afterCommit } from './store.ts';
import { databaseNowMs } from './time.ts';

/** Kind → payload. Payloads are plain data: JSON, bigint, Uint8Array. */
export type EffectKinds = object;

export interface NewEffect<Kinds extends EffectKinds, K extends keyof Kinds & string> {
  kind: K;
  /** What this effect is, once and for all: `job/17/try/2/start`. A key that was used before is ignored. */
  key: string;
  payload: Kinds[K];
  /** Effects of one lane run in the order in which they were enqueued, one at a time. Default: the key. */
  lane?: string | undefined;
  /** Not before this time. Default: at once. A lane waits for its first effect, so timers want their own. */
  dueMs?: number | undefined;
}

export interface EffectListener {
  enqueued(): void;
  superseded(keyPrefix: string): void;
}

/** Writes effects; one object a daemon. What it enqueues starts right after the commit, in this process. */
export class Effects<Kinds extends EffectKinds> {
  readonly #listeners = new Set<EffectListener>();

  /** Saves the effect with the transaction. False: its key exists already, nothing was added. */
  async enqueue<DB, K extends keyof Kinds & string>(
    tx: Transaction<DB>,
    effect: NewEffect<Kinds, K>,
  ): Promise<boolean> {
    const { kind, key, payload, lane = key, dueMs = 0 } = effect;
    const added = await sql`insert into effects (kind, key, lane, payload, due_ms, created_ms)
      values (${kind}, ${key}, ${lane}, ${toJsonText(payload)}::json, ${dueMs}, ${databaseNowMs})
      on conflict (key) do nothing returning id`.execute(tx);
    if (added.rows.length === 0) return false;
    this.#afterCommit(tx, (listener) => listener.enqueued());
    return true;
  }

  /**
   * Gives up every pending effect whose key begins so (end it with '/': 'job/1' is also the beginning of
   * 'job/12'). One that runs right now has its signal aborted after the commit; its neighbour may have
   * heard it all the same.
   * @returns how many were given up
   */
  async supersede<DB>(tx: Transaction<DB>, keyPrefix: string): Promise<number> {
    assert(keyPrefix !== '', 'an empty prefix would give up everything');
    const given = await sql`update effects set state = 'superseded', ended_ms = ${databaseNowMs}
      where state = 'pending' and key ^@ ${keyPrefix} returning id`.execute(tx);
    if (given.rows.length > 0) {
      this.#afterCommit(tx, (listener) => listener.superseded(keyPrefix));
    }
    return given.rows.length;
  }

  /** For the runner. @returns stops listening */
  listen(listener: EffectListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #afterCommit(tx: object, tell: (listener: EffectListener) => void): void {
    afterCommit(tx, () => {
      for (const listener of this.#listeners) tell(listener);
    });
  }
}
