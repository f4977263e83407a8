// bptm on the bus: one runner a stream, found by the attempt that it serves and fenced by its grant.

import type { Handlers } from '@tapestry/bus';
import type { Empty, GrantRef, OpenStreamRequest } from '@tapestry/contracts';
import {
  attemptKey,
  compareLeases,
  type Lease,
  leaseOf,
  requireSameLease,
  stepKey,
} from '@tapestry/runtime/fence';
import { fromWire, StatusError } from '@tapestry/status';
import { stateOf } from './adapters/stream-store.ts';
import { endSurvivor } from './adapters/survivors.ts';
import { checkRequest } from './core/orders.ts';
import { isOver } from './core/stream.ts';
import { type RunnerParts, StreamRunner } from './stream-runner.ts';

/** A poll ends this long before its caller gives up. */
const POLL_MARGIN_MS = 1_000;
const FORGET_EVERY_MS = 3_600_000;

export class StreamService {
  readonly #parts: RunnerParts;
  readonly #byAttempt = new Map<string, StreamRunner>();
  /** The newest try of each step. */
  readonly #newest = new Map<string, StreamRunner>();
  #forgetTimer: NodeJS.Timeout | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Ends what an earlier life left running, then takes up what it owed. Errors: 174 a survivor would not go. */
  async takeUp(): Promise<void> {
    const { store, log } = this.#parts;
    for (const mark of store.processes()) {
      if (!(await endSurvivor(mark))) {
        throw new StatusError(
          'tapeMgrSystemError',
          `drive process ${mark.pid} of an earlier run cannot be ended: it may hold a drive`,
        );
      }
      store.processEnded(mark.pid);
    }
    this.#forget();
    for (const stored of store.all()) {
      const runner = new StreamRunner(this.#parts, stored);
      this.#add(runner);
      if (!isOver(runner.stream)) log.warn({ stream: runner.key }, 'a stream did not survive');
      runner.resume();
    }
    this.#forgetTimer = setInterval(() => this.#forget(), FORGET_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#forgetTimer);
  }

  handlers(): Handlers<'bptm'> {
    return {
      OpenStream: async (request) => this.#open(request),
      WatchStream: async ({ grant, afterVersion, waitMs }, call) => {
        const runner = this.#held(grant);
        const patienceMs = call.deadlineMs - Date.now() - POLL_MARGIN_MS;
        const { version, value } = await runner.watched.after(
          afterVersion,
          Math.min(waitMs, patienceMs),
          call.signal,
        );
        return stateOf(value, version);
      },
      FinishStream: async ({ grant, expectedBytes, env }) => {
        this.#held(grant).finish(expectedBytes, env);
        return {};
      },
      AbortStream: async ({ grant, reason }) => {
        // A stream that is not known holds nothing: it is as aborted as can be.
        const runner = this.#byAttempt.get(attemptKey(leaseOf(grant).attempt));
        if (runner === undefined) return {};
        requireSameLease(runner.lease, leaseOf(grant));
        const failure =
          reason === null
            ? new StatusError('cancelled', 'the stream was aborted')
            : fromWire(reason);
        runner.apply({ type: 'abortAsked', failure });
        return {};
      },
      SendRange: async ({ grant, sequence, offset, length }) => {
        this.#held(grant).apply({ type: 'rangeAsked', sequence, offset, length });
        return {};
      },
    };
  }

  #open(request: OpenStreamRequest): Empty {
    const grant = checkRequest(request);
    const lease = leaseOf(grant);
    if (grant.mediaServer !== this.#parts.host) {
      throw new StatusError('invalidServer', `the grant is for ${grant.mediaServer}`);
    }
    const known = this.#newest.get(stepKey(lease.attempt));
    if (known !== undefined) {
      const order = compareLeases(known.lease, lease);
      if (order === 'same') return {};
      if (order === 'older') requireSameLease(known.lease, lease);
      const detail = `try ${lease.attempt.try} took over`;
      known.apply({ type: 'abortAsked', failure: { status: 'staleGrant', detail } });
    }
    const runner = new StreamRunner(this.#parts, { request, lease });
    this.#add(runner);
    runner.apply({ type: 'opened' });
    return {};
  }

  #held(ref: GrantRef | null): StreamRunner {
    const asked: Lease = leaseOf(ref);
    const key = attemptKey(asked.attempt);
    const runner = this.#byAttempt.get(key);
    if (runner === undefined) throw new StatusError('notFound', `there is no stream for ${key}`);
    requireSameLease(runner.lease, asked);
    return runner;
  }

  #add(runner: StreamRunner): void {
    this.#byAttempt.set(runner.key, runner);
    const step = stepKey(runner.lease.attempt);
    const newest = this.#newest.get(step);
    if (newest === undefined || compareLeases(newest.lease, runner.lease) === 'newer') {
      this.#newest.set(step, runner);
    }
  }

  #forget(): void {
    for (const key of this.#parts.store.forget(this.#parts.clock.nowMs())) {
      const runner = this.#byAttempt.get(key);
      this.#byAttempt.delete(key);
      const step = runner && stepKey(runner.lease.attempt);
      if (step !== undefined && this.#newest.get(step) === runner) this.#newest.delete(step);
    }
  }
}
