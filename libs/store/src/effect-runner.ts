// Does the effects of a daemon, at least once each, in the order of their lanes. An effect leaves the
// table's pending rows only when its handler has succeeded (or failed for good), so one that a crash
// interrupted is done again at the next start. Handlers are therefore safe to run twice.

import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import { sql, type Transaction } from 'kysely';
import { type Backoff, backoffMs } from './core/backoff.ts';
import { isDatabaseUnavailable } from './database-error.ts';
import type { EffectKinds, Effects } from './effects.ts';
import { fromJson } from './json-value.ts';
import { type LeaderGate, StaleEpoch } from './leadership.ts';
import type { Store } from './store.ts';
import { databaseNowMs } from './time.ts';

export interface EffectTry {
  kind: string;
  key: string;
  lane: string;
  /** 1 for the first try. Tries cut short by a crash are not counted. */
  tries: number;
  /** Aborted when the effect is superseded, its time is over, or the daemon stops. */
  signal: AbortSignal;
}

/** Does one effect; a StatusError that is retryable means "again later", another one "never". */
export type EffectHandler<P> = (payload: P, effect: EffectTry) => Promise<void>;

export type EffectHandlers<Kinds extends EffectKinds> = {
  [K in keyof Kinds]: EffectHandler<Kinds[K]>;
};

/** What follows from an effect that was done, saved in the transaction that takes it off the list. */
export type FollowUp<DB> = (tx: Transaction<DB>) => Promise<unknown>;

/**
 * Handlers that may answer with a follow-up: one transaction for both, and no moment at which the effect is done
 * but what follows from it is not saved. It runs before the effect's own row is touched, also when the effect
 * was superseded meanwhile.
 */
export type FollowedHandlers<DB, Kinds extends EffectKinds> = {
  [K in keyof Kinds]: (payload: Kinds[K], effect: EffectTry) => Promise<FollowUp<DB> | undefined>;
};

export interface PermanentFailure<Kinds extends EffectKinds> {
  kind: keyof Kinds & string;
  key: string;
  payload: Kinds[keyof Kinds];
  error: StatusError;
}

export interface EffectRunnerOptions<DB, Kinds extends EffectKinds> {
  store: Store<DB>;
  effects: Effects<Kinds>;
  /** The runner acts only while this instance leads. */
  gate: LeaderGate<DB>;
  handlers: EffectHandlers<Kinds> | FollowedHandlers<DB, Kinds>;
  /** Saves what follows from a failure for good, in the transaction that takes the effect off the list. */
  onPermanentFailure?:
    | ((tx: Transaction<DB>, failure: PermanentFailure<Kinds>) => Promise<void>)
    | undefined;
  /** Whether an error is worth another try. Default: what its status code says. */
  isRetryable?: ((error: StatusError, effect: EffectTry) => boolean) | undefined;
  /** How many lanes run at once. */
  concurrencyMax?: number | undefined;
  /** The longest that one try may take. */
  tryTimeoutMs?: number | undefined;
  backoff?: Backoff | undefined;
  /** How often to look even if nothing was heard: effects of another instance, of an unclear commit. */
  pollMs?: number | undefined;
  /** Anything thrown that is no StatusError is a bug. Default: the process ends with it. */
  onBug?: ((error: unknown) => void) | undefined;
}

interface Row {
  id: bigint;
  kind: string;
  key: string;
  lane: string;
  payload: unknown;
  tries: number;
}

/** Handlers without a follow-up answer with nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a Promise<void> must fit
type Answer<DB> = FollowUp<DB> | undefined | void;
type AnyHandler<DB, P> = (payload: P, effect: EffectTry) => Promise<Answer<DB>>;

interface Outcome<DB> {
  failure?: StatusError;
  followUp?: FollowUp<DB> | undefined;
}

interface Running {
  key: string;
  abort: AbortController;
  ended: Promise<void>;
}

const STOPPING = new StatusError('interrupted', 'the daemon stops');
const SUPERSEDED = new StatusError('cancelled', 'the effect was superseded');

export class EffectRunner<DB, Kinds extends EffectKinds> {
  readonly #options: EffectRunnerOptions<DB, Kinds>;
  readonly #backoff: Backoff;
  readonly #concurrencyMax: number;
  readonly #pollMs: number;
  readonly #running = new Map<string, Running>();
  #unlisten: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #stopped = false;

  constructor(options: EffectRunnerOptions<DB, Kinds>) {
    this.#options = options;
    this.#backoff = options.backoff ?? { firstMs: 200, capMs: 30_000 };
    this.#concurrencyMax = options.concurrencyMax ?? 16;
    this.#pollMs = options.pollMs ?? 1_000;
  }

  /** Starts with what is pending. Call it once. */
  start(): void {
    this.#unlisten = this.#options.effects.listen({
      enqueued: () => this.#look(),
      superseded: (prefix) => this.#abortMatching(prefix),
    });
    this.#look();
  }

  /** Aborts what runs and waits for it; what did not end well stays pending. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unlisten?.();
    clearTimeout(this.#timer);
    await this.#looking;
    for (const running of this.#running.values()) running.abort.abort(STOPPING);
    await Promise.all([...this.#running.values()].map((running) => running.ended));
  }

  /** How many effects run now; for metrics. */
  runningCount(): number {
    return this.#running.size;
  }

  #abortMatching(prefix: string): void {
    for (const running of this.#running.values()) {
      if (running.key.startsWith(prefix)) running.abort.abort(SUPERSEDED);
    }
    this.#look();
  }

  /** One look at a time; a call during a look causes exactly one more. */
  #look(): void {
    if (this.#stopped) return;
    this.#lookAgain = true;
    this.#looking ??= this.#lookUntilQuiet().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookUntilQuiet(): Promise<void> {
    let waitMs = this.#pollMs;
    while (this.#lookAgain && !this.#stopped) {
      this.#lookAgain = false;
      try {
        if (this.#options.gate.leads()) waitMs = await this.#startDue();
      } catch (error) {
        if (!isDatabaseUnavailable(error)) this.#bug(error);
      }
    }
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#look(), waitMs);
  }

  /** Starts the first due effect of every free lane. @returns when to look again */
  async #startDue(): Promise<number> {
    const free = this.#concurrencyMax - this.#running.size;
    if (free <= 0) return this.#pollMs;
    const { store, handlers } = this.#options;
    const kinds = Object.keys(handlers);
    const busy = [...this.#running.keys()];
    // A kind without a handler here (another release's) is left alone, and its lane waits for it. The
    // subquery is spelt so that it uses the lane's index even on a table without statistics.
    const { rows } = await sql<Row>`select id, kind, key, lane, payload, tries from effects e
      where state = 'pending' and due_ms <= ${databaseNowMs} and kind = any(${kinds})
        and lane <> all(${busy}) and id = (select p.id from effects p
          where p.state = 'pending' and p.lane = e.lane order by p.lane, p.id limit 1)
      order by id limit ${free}`.execute(store.db);
    for (const row of rows) this.#begin(row);
    const next = await sql<{ wait_ms: number | null }>`select min(due_ms) - ${databaseNowMs} wait_ms
      from effects where state = 'pending' and due_ms > ${databaseNowMs}`.execute(store.db);
    const dueInMs = next.rows[0]?.wait_ms ?? this.#pollMs;
    return Math.max(1, Math.min(dueInMs, this.#pollMs));
  }

  #begin(row: Row): void {
    if (this.#stopped || this.#running.has(row.lane)) return;
    const abort = new AbortController();
    const ended = this.#perform(row, abort.signal)
      .catch((error: unknown) => this.#bug(error))
      .finally(() => {
        this.#running.delete(row.lane);
        this.#look();
      });
    this.#running.set(row.lane, { key: row.key, abort, ended });
  }

  /** One try and its record. */
  async #perform(row: Row, abort: AbortSignal): Promise<void> {
    const { tryTimeoutMs = 60_000, handlers, isRetryable } = this.#options;
    const signal = AbortSignal.any([abort, AbortSignal.timeout(tryTimeoutMs)]);
    const { kind, key, lane } = row;
    const effect: EffectTry = { kind, key, lane, tries: row.tries + 1, signal };
    const payload = fromJson(row.payload) as Kinds[keyof Kinds];
    const handler = handlers[kind as keyof Kinds] as AnyHandler<DB, Kinds[keyof Kinds]>;
    const { failure, followUp } = await this.#attempt(() => handler(payload, effect), signal);
    if (abort.aborted && failure !== undefined) return;
    if (failure === undefined) {
      return await this.#record(abort, async (tx) => {
        await followUp?.(tx);
        await this.#end(tx, row, 'done');
      });
    }
    const again = isRetryable?.(failure, effect) ?? failure.retryable;
    if (again) return await this.#record(abort, (tx) => this.#postpone(tx, row, failure));
    this.#options.store.log.error({ kind, key, err: failure }, 'an effect failed for good');
    await this.#record(abort, async (tx) => {
      const taken = await this.#end(tx, row, 'failed', failure);
      if (!taken) return;
      const failed = { kind: kind as keyof Kinds & string, key, payload, error: failure };
      await this.#options.onPermanentFailure?.(tx, failed);
    });
  }

  /** How the handler ended. One that ignores its signal is not waited for. */
  async #attempt(run: () => Promise<Answer<DB>>, signal: AbortSignal): Promise<Outcome<DB>> {
    const work = run().then(
      (followUp): Outcome<DB> => ({ followUp: followUp ?? undefined }),
      (error: unknown): Outcome<DB> => {
        if (error instanceof StatusError) return { failure: error };
        if (signal.aborted) return { failure: asAbortStatus(signal.reason) };
        throw error;
      },
    );
    const race = new AbortController();
    const cut = new Promise<Outcome<DB>>((resolve) => {
      const report = () => resolve({ failure: asAbortStatus(signal.reason) });
      if (signal.aborted) report();
      else signal.addEventListener('abort', report, { once: true, signal: race.signal });
    });
    try {
      return await Promise.race([work, cut]);
    } finally {
      race.abort();
    }
  }

  /** Saves an outcome, and insists while the database is away: the lane must not move on before that. */
  async #record(
    abort: AbortSignal,
    change: (tx: Transaction<DB>) => Promise<unknown>,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#options.gate.write(change);
        return;
      } catch (error) {
        // Superseded as leader: the new one does the effect again.
        if (error instanceof StaleEpoch) return;
        if (!isDatabaseUnavailable(error)) throw error;
        if (this.#stopped || abort.aborted) return;
        const waitMs = backoffMs({ firstMs: 50, capMs: 1_000 }, tries, Math.random());
        await sleep(waitMs, undefined, { signal: abort }).catch(() => {});
      }
    }
  }

  async #end(
    tx: Transaction<DB>,
    row: Row,
    state: 'done' | 'failed',
    error?: StatusError,
  ): Promise<boolean> {
    const ended = await sql`update effects set state = ${state}, error = ${error?.message ?? null},
      tries = tries + 1, ended_ms = ${databaseNowMs}
      where id = ${row.id} and state = 'pending' returning id`.execute(tx);
    return ended.rows.length > 0;
  }

  async #postpone(tx: Transaction<DB>, row: Row, error: StatusError): Promise<void> {
    const waitMs = backoffMs(this.#backoff, row.tries + 1, Math.random());
    await sql`update effects set tries = tries + 1, error = ${error.message},
      due_ms = ${databaseNowMs} + ${waitMs}::double precision
      where id = ${row.id} and state = 'pending'`.execute(tx);
  }

  #bug(error: unknown): void {
    this.#options.store.log.error({ err: error }, 'an effect met a bug');
    // In an unknown state nothing more is started; what is pending waits for the next start.
    this.#stopped = true;
    clearTimeout(this.#timer);
    const onBug = this.#options.onBug ?? endProcess;
    onBug(error);
  }
}

function endProcess(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

function asAbortStatus(reason: unknown): StatusError {
  if (reason instanceof StatusError) return reason;
  return new StatusError('connectTimedOut', 'the effect took too long', {}, { cause: reason });
}
