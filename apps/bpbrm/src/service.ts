// bpbrm on the bus: one driver a run, found by its attempt and fenced by its lease.

import type { Call, Handlers } from '@tapestry/bus';
import type { Empty, RunSpec } from '@tapestry/contracts';
import { AttemptTable } from '@tapestry/runtime/attempt-table';
import { leaseOf } from '@tapestry/runtime/fence';
import { StatusError, toWire } from '@tapestry/status';
import { type DriverParts, RunDriver } from './run-driver.ts';

const TICK_MS = 5_000;
const FORGET_EVERY_TICKS = 720;

export class RunService {
  readonly #parts: DriverParts;
  readonly #host: string;
  readonly #runs = new AttemptTable<RunDriver>('run');
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
      this.#runs.add(driver);
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
        const cancelled = new StatusError('cancelled', 'the run was cancelled');
        // A run that is not known is over.
        this.#runs.find(grant)?.apply({ type: 'cancelled', reason: reason ?? toWire(cancelled) });
        return {};
      },
      ListRuns: async () => ({ runs: [...this.#runs.all].map((driver) => driver.row()) }),
    };
  }

  #start(spec: RunSpec | null, { caller }: Call): Empty {
    if (caller.host !== this.#host) {
      throw new StatusError('accessNotAllowed', 'only the bpcd of this host may start a run');
    }
    if (spec === null) throw new StatusError('invalidRequest', 'the start names no run');
    const lease = leaseOf(spec.grant);
    const admitted = this.#runs.admits(lease, (earlier, reason) =>
      earlier.apply({ type: 'cancelled', reason: toWire(reason) }),
    );
    if (!admitted) return {};
    const driver = new RunDriver(this.#parts, { spec, lease });
    this.#runs.add(driver);
    driver.start();
    return {};
  }

  #tick(): void {
    for (const driver of this.#runs.all) {
      if (!driver.isOver) driver.apply({ type: 'tick' });
    }
    this.#ticks += 1;
    if (this.#ticks % FORGET_EVERY_TICKS === 0) this.#forget();
  }

  #forget(): void {
    this.#runs.forget(this.#parts.store.forget(this.#parts.clock.nowMs()));
  }
}
