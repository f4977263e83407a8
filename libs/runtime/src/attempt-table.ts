// What a media server's daemon runs, one entry an attempt: found by its lease, and replaced by a later try of its step.

import type { GrantRef } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  attemptKey,
  compareLeases,
  type Lease,
  leaseOf,
  requireSameLease,
  stepKey,
} from './fence.ts';

export interface Leased {
  readonly lease: Lease;
}

export class AttemptTable<T extends Leased> {
  /** How an entry is called in messages: `stream`. */
  readonly #noun: string;
  readonly #byAttempt = new Map<string, T>();
  /** The newest try of each step. */
  readonly #newest = new Map<string, T>();

  constructor(noun: string) {
    this.#noun = noun;
  }

  get all(): IterableIterator<T> {
    return this.#byAttempt.values();
  }

  add(entry: T): void {
    const { attempt } = entry.lease;
    this.#byAttempt.set(attemptKey(attempt), entry);
    const newest = this.#newest.get(stepKey(attempt));
    if (newest === undefined || compareLeases(newest.lease, entry.lease) === 'newer') {
      this.#newest.set(stepKey(attempt), entry);
    }
  }

  /**
   * Is there something to start under this lease? Not when it runs already. An earlier try of the step is told to give
   * way, with the reason. Errors: 902 a later try is known.
   */
  admits(lease: Lease, giveWay: (earlier: T, reason: StatusError) => void): boolean {
    const known = this.#newest.get(stepKey(lease.attempt));
    if (known === undefined) return true;
    const order = compareLeases(known.lease, lease);
    if (order === 'same') return false;
    if (order === 'older') requireSameLease(known.lease, lease);
    giveWay(known, new StatusError('staleGrant', `try ${lease.attempt.try} took over`));
    return true;
  }

  /** Undefined when the attempt is not known. Errors: 133, 902 it runs under another lease. */
  find(ref: GrantRef | null): T | undefined {
    const lease = leaseOf(ref);
    const entry = this.#byAttempt.get(attemptKey(lease.attempt));
    if (entry !== undefined) requireSameLease(entry.lease, lease);
    return entry;
  }

  /** Errors: 133, 227 the attempt is not known, 902. */
  held(ref: GrantRef | null): T {
    const entry = this.find(ref);
    if (entry !== undefined) return entry;
    const key = attemptKey(leaseOf(ref).attempt);
    throw new StatusError('notFound', `there is no ${this.#noun} for ${key}`);
  }

  /** By the keys of attempts. */
  forget(keys: readonly string[]): void {
    for (const key of keys) {
      const entry = this.#byAttempt.get(key);
      if (entry === undefined) continue;
      this.#byAttempt.delete(key);
      const step = stepKey(entry.lease.attempt);
      if (this.#newest.get(step) === entry) this.#newest.delete(step);
    }
  }
}
