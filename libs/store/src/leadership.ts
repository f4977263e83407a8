// One leader for each singleton daemon: a row (holder, epoch, until) in the daemon's schema, on the
// database's clock. What a superseded leader writes is refused, however late its transaction comes.
//
// A write holds the row FOR KEY SHARE, the mode of foreign keys: any number of writes and the renewal of
// `until_ms` go on beside each other, but a takeover changes `epoch`, a key column, and so waits for
// every running write to end and is seen by every later one. (With FOR SHARE each renewal would wait for
// all running writes, and a busy leader could miss its own.)

import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import { sql, type Transaction } from 'kysely';
import { type LeaseState, leaseState } from './core/lease.ts';
import { isDatabaseUnavailable } from './database-error.ts';
import type { Store } from './store.ts';
import { databaseNowMs } from './time.ts';

/** This instance is not, or no longer, the leader; the caller asks again and reaches the active one. */
export class StaleEpoch extends StatusError {}

export interface LeadershipOptions {
  /** Who we are: the same name takes over from itself at once, another only after the lease ran out. */
  instance: string;
  /** For a daemon with several leases; the row's key. */
  name?: string | undefined;
  /** How long a leader that died keeps the others waiting. */
  leaseMs?: number | undefined;
  /** Called with each epoch that this instance takes, before its state becomes 'leader'. It may reconcile there. */
  onLeader?: ((epoch: bigint) => void | Promise<void>) | undefined;
  /** Called once, when a newer epoch was seen: the daemon exits, and its supervisor starts it again. */
  onLost?: ((epoch: bigint) => void) | undefined;
}

/** The port that services and the effect runner need: both facts about one lease. */
export interface LeaderGate<DB> {
  /** True while this instance may act. */
  leads(): boolean;
  /** A transaction that commits only if this instance still leads. */
  write<T>(fn: (tx: Transaction<DB>) => Promise<T>): Promise<T>;
}

export class Leadership<DB> implements LeaderGate<DB> {
  readonly #store: Store<DB>;
  readonly #options: LeadershipOptions;
  readonly #name: string;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;
  #epoch: bigint | undefined;
  #announced = false;
  #superseded = false;
  #reachable = true;
  #heldUntilMs = 0;

  constructor(store: Store<DB>, options: LeadershipOptions) {
    this.#store = store;
    this.#options = options;
    this.#name = options.name ?? 'leader';
    this.#leaseMs = options.leaseMs ?? 15_000;
  }

  /** Starts to seek the lease, and to keep it. Call it once. */
  start(): void {
    this.#loop = this.#run();
  }

  /** Stops and gives the lease up, so that a standby takes over at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    const epoch = this.#epoch;
    this.#epoch = undefined;
    if (epoch === undefined || this.#superseded) return;
    await this.#within(
      sql`update lease set until_ms = 0
      where name = ${this.#name} and epoch = ${epoch}`.execute(this.#store.db),
    ).catch((error: unknown) =>
      this.#store.log.warn({ err: error }, 'the lease could not be given up'),
    );
  }

  state(): LeaseState {
    const facts = {
      epoch: this.#announced ? this.#epoch : undefined,
      superseded: this.#superseded,
      reachable: this.#reachable,
      heldUntilMs: this.#heldUntilMs,
    };
    return leaseState(facts, performance.now());
  }

  leads(): boolean {
    return this.state() === 'leader';
  }

  /** The epoch that this instance took, also while it is notReady. */
  epoch(): bigint | undefined {
    return this.#epoch;
  }

  /**
   * Runs `fn` in a transaction that first checks and holds this instance's epoch.
   * @throws StaleEpoch when another instance leads; StatusError databaseError while notReady
   */
  async write<T>(fn: (tx: Transaction<DB>) => Promise<T>): Promise<T> {
    const epoch = this.#epoch;
    if (epoch === undefined || this.#superseded) throw this.#stale('this instance does not lead');
    if (!this.#reachable) {
      throw new StatusError('databaseError', 'the database cannot be reached, nothing is changed');
    }
    return await this.#store.transaction(async (tx) => {
      const held = await sql`select 1 from lease
        where name = ${this.#name} and epoch = ${epoch} for key share`.execute(tx);
      if (held.rows.length === 0) {
        this.#lose(epoch);
        throw this.#stale(`another instance has led since epoch ${epoch}`);
      }
      return await fn(tx);
    });
  }

  async #run(): Promise<void> {
    const everyMs = this.#leaseMs / 3;
    while (!this.#stopping.signal.aborted && !this.#superseded) {
      try {
        await this.#tick();
        this.#reachable = true;
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        if (this.#reachable) {
          this.#store.log.warn({ reason: error.detail }, 'not ready: the lease cannot be renewed');
        }
        this.#reachable = false;
      }
      const waitMs = this.#reachable ? everyMs : Math.min(everyMs, 500);
      await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
    }
  }

  async #tick(): Promise<void> {
    const askedAt = performance.now();
    if (this.#epoch === undefined) {
      const epoch = await this.#within(this.#acquire());
      if (epoch === undefined) return;
      this.#epoch = epoch;
      this.#heldUntilMs = askedAt + this.#leaseMs;
      this.#store.log.info({ epoch: String(epoch), lease: this.#name }, 'leads from now on');
      void this.#announce(epoch);
      return;
    }
    if (await this.#within(this.#renew(this.#epoch))) this.#heldUntilMs = askedAt + this.#leaseMs;
    else this.#lose(this.#epoch);
  }

  /** Renewals go on while the daemon reconciles; it counts as leader when that is done. */
  async #announce(epoch: bigint): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#superseded) {
      try {
        await this.#options.onLeader?.(epoch);
        this.#announced = true;
        return;
      } catch (error) {
        if (!(error instanceof StatusError && error.retryable)) throw error;
        this.#store.log.warn({ err: error }, 'the start as leader is tried again');
        await sleep(this.#leaseMs / 3, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #acquire(): Promise<bigint | undefined> {
    const { instance } = this.#options;
    const until = sql`${databaseNowMs} + ${this.#leaseMs}::double precision`;
    const first = await sql<{ epoch: bigint }>`insert into lease (name, holder, epoch, until_ms)
      values (${this.#name}, ${instance}, 1, ${until})
      on conflict (name) do nothing returning epoch`.execute(this.#store.db);
    if (first.rows[0] !== undefined) return first.rows[0].epoch;
    const taken = await sql<{ epoch: bigint }>`update lease
      set holder = ${instance}, epoch = epoch + 1, until_ms = ${until}
      where name = ${this.#name} and (holder = ${instance} or until_ms < ${databaseNowMs})
      returning epoch`.execute(this.#store.db);
    return taken.rows[0]?.epoch;
  }

  async #renew(epoch: bigint): Promise<boolean> {
    const renewed = await sql`update lease
      set until_ms = ${databaseNowMs} + ${this.#leaseMs}::double precision
      where name = ${this.#name} and epoch = ${epoch} returning name`.execute(this.#store.db);
    return renewed.rows.length > 0;
  }

  /** A talk about the lease that takes longer than the lease has failed, whatever becomes of it. */
  async #within<T>(work: Promise<T>): Promise<T> {
    const timer = new AbortController();
    const late = sleep(this.#leaseMs, undefined, { signal: timer.signal }).then(() => {
      throw new StatusError('databaseError', 'the database did not answer within the lease');
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      timer.abort();
      work.catch(() => {});
      late.catch(() => {});
    }
  }

  #lose(epoch: bigint): void {
    if (this.#superseded) return;
    this.#superseded = true;
    this.#store.log.error(
      { epoch: String(epoch), lease: this.#name },
      'superseded by a newer epoch',
    );
    this.#options.onLost?.(epoch);
  }

  #stale(detail: string): StaleEpoch {
    return new StaleEpoch('cannotConnect', detail, { schema: this.#store.schema });
  }
}
