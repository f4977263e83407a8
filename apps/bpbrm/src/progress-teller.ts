// Progress of a run for the Activity Monitor: at most twice a second, the newest wins, nobody waits for it.

import type { Bus } from '@tapestry/bus';
import type { Attempt } from '@tapestry/contracts';
import type { Clock } from '@tapestry/runtime';
import type { Run } from './core/run.ts';

const EVERY_MS = 500;

export class ProgressTeller {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #attempt: Attempt;
  #lastMs = 0;
  #next: { run: Run; operation: string } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(bus: Bus, clock: Clock, attempt: Attempt) {
    this.#bus = bus;
    this.#clock = clock;
    this.#attempt = attempt;
  }

  tell(run: Run, operation: string): void {
    this.#next = { run, operation };
    const waitMs = this.#lastMs + EVERY_MS - this.#clock.nowMs();
    if (waitMs <= 0) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), waitMs).unref();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.#next;
    if (next === undefined) return;
    this.#next = undefined;
    this.#lastMs = this.#clock.nowMs();
    const { stream, session } = next.run;
    // A listener that missed one hears the next: a bus that is away costs nothing here.
    this.#bus
      .publish('JobProgress', {
        attempt: this.#attempt,
        atMs: BigInt(this.#lastMs),
        operation: next.operation,
        bytes: stream?.bytes ?? 0n,
        files: session?.files ?? 0n,
        bytesExpected: session?.haltedBytes ?? 0n,
        path: session?.path ?? '',
      })
      .catch(() => undefined);
  }
}
