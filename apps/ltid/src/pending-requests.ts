// Mounts that wait for an operator: kept on the disk until they are answered or nobody asks for them any more, so that a
// restart loses neither a request nor an answer. At most so many wait at once.

import type { Grant, Init, PendingRow } from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { type Lease, leaseOf, refOf } from '@tapestry/runtime/fence';
import { StatusError } from '@tapestry/status';
import type { MountStore, PendingRequest } from './adapters/mount-store.ts';
import { sameLease } from './core/drive-row.ts';
import type { PendingAnswer } from './core/pending.ts';

export interface PendingParts {
  readonly store: MountStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

const PENDING_MAX = 100;

export class PendingRequests {
  readonly #parts: PendingParts;
  /** Mounts that listen for their answer, by request. */
  readonly #waiting = new Map<number, PromiseWithResolvers<PendingAnswer>>();

  constructor(parts: PendingParts) {
    this.#parts = parts;
  }

  of(lease: Lease): PendingRequest | undefined {
    return this.#parts.store.pending().find(({ grant }) => sameLease(leaseOf(grant), lease));
  }

  /** Error: 227. */
  get(id: bigint): PendingRequest {
    const found = this.#parts.store.pending().find((request) => BigInt(request.id) === id);
    if (found === undefined) throw new StatusError('notFound', `no request ${id} is pending`);
    return found;
  }

  rows(): Init<PendingRow>[] {
    return this.#parts.store.pending().map(({ id, grant, reason, sinceMs }) => ({
      ...{ id: BigInt(id), grant: refOf(leaseOf(grant)), reason, sinceMs: BigInt(sinceMs) },
      ...{ mediaId: grant.volume?.mediaId, barcode: grant.volume?.barcode },
      ...{ drive: grant.drive?.name, mode: grant.mode },
    }));
  }

  /**
   * Resolves with the operator's answer; the request that this grant has already goes on. `onAsked` hears its number.
   * Errors: the failure itself when too many wait; 902 when it is withdrawn.
   */
  async ask(
    grant: Grant,
    failure: StatusError,
    onAsked: (id: number) => void,
  ): Promise<PendingAnswer> {
    const { store, clock, log, stopping } = this.#parts;
    const known = this.of(leaseOf(grant));
    if (known === undefined && store.pending().length >= PENDING_MAX) throw failure;
    const sinceMs = clock.nowMs();
    const id = known?.id ?? store.addPending({ grant, reason: failure.detail, sinceMs });
    if (known !== undefined && known.answer !== '') return this.#taken(id, known.answer);
    store.answerPending(id, '', failure.detail);
    log.warn({ request: id, reason: failure.detail }, 'a mount waits for an operator');
    onAsked(id);
    const waiting = Promise.withResolvers<PendingAnswer>();
    this.#waiting.set(id, waiting);
    const stop = (): void => waiting.reject(new StatusError('resourcesBusy', 'ltid is stopping'));
    stopping.addEventListener('abort', stop, { once: true });
    try {
      return this.#taken(id, await waiting.promise);
    } finally {
      stopping.removeEventListener('abort', stop);
      this.#waiting.delete(id);
    }
  }

  answer({ id, reason }: PendingRequest, answer: PendingAnswer, requester: string): void {
    this.#parts.store.answerPending(id, answer, reason);
    this.#parts.log.warn({ request: id, answer, requester }, 'an operator answered a mount');
    this.#waiting.get(id)?.resolve(answer);
  }

  /** Nobody asks for it any more. Answers whether a mount listened, which fails now. */
  withdraw(lease: Lease): boolean {
    const { store, stopping } = this.#parts;
    if (stopping.aborted) return false;
    const known = this.of(lease);
    if (known === undefined) return false;
    store.dropPending(known.id);
    const waiting = this.#waiting.get(known.id);
    waiting?.reject(new StatusError('staleGrant', 'the mount request was withdrawn'));
    return waiting !== undefined;
  }

  /** A mount that is tried again, and fails again, is another request. */
  #taken(id: number, answer: PendingAnswer): PendingAnswer {
    if (!this.#parts.stopping.aborted) this.#parts.store.dropPending(id);
    return answer;
  }
}
