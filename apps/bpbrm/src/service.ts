// bpbrm on the bus: one driver a run, found by its attempt and fenced by its lease.

import type { Call, Handlers } from '@tapestry/bus';
import type { Empty, RunSpec } from '@tapestry/contracts';
import {
  attemptKey,
  compareLeases,
  leaseOf,
  requireSameLease,
  stepKey,
} from '@tapestry/runtime/fence';
import { StatusError, toWire } from '@tapestry/status';
import { type DriverParts, RunDriver } from './run-driver.ts';

const TICK_MS = 5_000;
const FORGET_EVERY_TICKS = 720;

export class RunService {
  readonly #parts: DriverParts;
  readonly #host: string;
  readonly #byAttempt = new Map<string, RunDriver>();
  /** The newest try of each step. */
  readonly #newest = new Map<string, RunDriver>();
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;

  constructor(parts: DriverParts, host: string) {
    this.#parts = parts;
    this.#host = host;
  }

  takeUp(): void {
    this.#forget();
    for (const stored of this.#parts.store.all()) {
      const driver = new RunDriver(this.#parts, stored);
      this.#add(driver);
      driver.resume();
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  handlers(): Handlers<'bpbrm'> {
    return {
      StartRun: async ({ run }, call) => this.#start(run, call),
      CancelRun: async ({ grant, reason }) => {
        const lease = leaseOf(grant);
        const driver = this.#byAttempt.get(attemptKey(lease.attempt));
        // A run that is not known is over.
        if (driver === undefined) return {};
        requireSameLease(driver.lease, lease);
        const cancelled = new StatusError('cancelled', 'the run was cancelled');
        driver.apply({ type: 'cancelled', reason: reason ?? toWire(cancelled) });
        return {};
      },
      ListRuns: async () => ({ runs: [...this.#byAttempt.values()].map((driver) => driver.row()) }),
    };
  }

  #start(spec: RunSpec | null, { caller }: Call): Empty {
    if (caller.host !== this.#host) {
      throw new StatusError('accessNotAllowed', 'only the bpcd of this host may start a run');
    }
    if (spec === null) throw new StatusError('invalidRequest', 'the start names no run');
    const lease = leaseOf(spec.grant);
    const known = this.#newest.get(stepKey(lease.attempt));
    if (known !== undefined) {
      const order = compareLeases(known.lease, lease);
      if (order === 'same') return {};
      if (order === 'older') requireSameLease(known.lease, lease);
      const detail = `try ${lease.attempt.try} took over`;
      const reason = toWire(new StatusError('staleGrant', detail));
      known.apply({ type: 'cancelled', reason });
    }
    const driver = new RunDriver(this.#parts, { spec, lease });
    this.#add(driver);
    driver.start();
    return {};
  }

  #add(driver: RunDriver): void {
    this.#byAttempt.set(driver.key, driver);
    const step = stepKey(driver.lease.attempt);
    const newest = this.#newest.get(step);
    if (newest === undefined || compareLeases(newest.lease, driver.lease) === 'newer') {
      this.#newest.set(step, driver);
    }
  }

  #tick(): void {
    for (const driver of this.#byAttempt.values()) {
      if (!driver.isOver) driver.apply({ type: 'tick' });
    }
    this.#ticks += 1;
    if (this.#ticks % FORGET_EVERY_TICKS === 0) this.#forget();
  }

  #forget(): void {
    for (const key of this.#parts.store.forget(this.#parts.clock.nowMs())) {
      const driver = this.#byAttempt.get(key);
      this.#byAttempt.delete(key);
      const step = driver && stepKey(driver.lease.attempt);
      if (step !== undefined && this.#newest.get(step) === driver) this.#newest.delete(step);
    }
  }
}
