// Keeps a grant's lease alive while its writer lives: asks its keeper at a steady pace, and knows how long the lease still holds.

import type { Clock, Logger } from '@tapestry/runtime';
import type { Lease } from '@tapestry/runtime/fence';
import { asStatusError } from '@tapestry/status';

export interface Renewal {
  readonly valid: boolean;
  readonly validForMs: bigint;
}

export interface RenewerParts {
  renew(writerPid: number): Promise<Renewal>;
  readonly lease: Lease;
  readonly log: Logger;
  readonly clock: Clock;
  readonly everyMs: number;
  readonly leaseMs: number;
  /** The lease holds for this long from now. */
  onRenewed(validForMs: number): void;
  /** Told once: the grant is not valid any more, or could not be renewed in time. */
  onLost(reason: string): void;
}

export class LeaseRenewer {
  readonly #parts: RenewerParts;
  #timer: NodeJS.Timeout | undefined;
  #untilMs = 0;
  #writerPid = 0;
  #stopped = false;

  constructor(parts: RenewerParts) {
    this.#parts = parts;
  }

  /** How long the lease still holds. */
  get leftMs(): number {
    return Math.max(0, this.#untilMs - this.#parts.clock.nowMs());
  }

  /** Begins with a lease that is good from now on: its keeper let it in just now. */
  start(): void {
    this.#untilMs = this.#parts.clock.nowMs() + this.#parts.leaseMs;
    this.#next();
  }

  writer(pid: number): void {
    this.#writerPid = pid;
    void this.#renew();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #next(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#renew(), this.#parts.everyMs);
  }

  async #renew(): Promise<void> {
    const { lease, log, clock } = this.#parts;
    // Counted from before the question: the answer may have been long on its way.
    const askedMs = clock.nowMs();
    try {
      const { valid, validForMs } = await this.#parts.renew(this.#writerPid);
      if (this.#stopped) return;
      if (!valid) return this.#lost('the grant is no longer valid');
      this.#untilMs = askedMs + Number(validForMs);
      this.#parts.onRenewed(this.leftMs);
    } catch (error) {
      if (this.#stopped) return;
      const failure = asStatusError(error);
      log.warn({ err: failure, jobId: lease.attempt.jobId }, 'the lease was not renewed');
      if (!failure.retryable) return this.#lost(failure.detail);
    }
    if (this.leftMs === 0) return this.#lost('the lease could not be renewed in time');
    this.#next();
  }

  #lost(reason: string): void {
    this.stop();
    this.#parts.onLost(reason);
  }
}
