// bptm on the bus: one runner a stream, found by the attempt that it serves and fenced by its grant.

import type { Call, Handlers } from '@tapestry/bus';
import type { Empty, OpenStreamRequest } from '@tapestry/contracts';
import { AttemptTable } from '@tapestry/runtime/attempt-table';
import { leaseOf } from '@tapestry/runtime/fence';
import { fromWire, StatusError } from '@tapestry/status';
import { stateOf } from './adapters/stream-store.ts';
import { endSurvivor } from './adapters/survivors.ts';
import { dialOutcome } from './core/dial.ts';
import { checkRequest } from './core/orders.ts';
import { isOver } from './core/stream.ts';
import { type RunnerParts, StreamRunner } from './stream-runner.ts';

/** A poll ends this long before its caller gives up. */
const POLL_MARGIN_MS = 1_000;
const FORGET_EVERY_MS = 3_600_000;

export class StreamService {
  readonly #parts: RunnerParts;
  readonly #streams = new AttemptTable<StreamRunner>('stream');
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
      this.#streams.add(runner);
      if (!isOver(runner.stream)) log.warn({ stream: runner.key }, 'a stream did not survive');
      runner.resume();
    }
    this.#forgetTimer = setInterval(() => this.#forget(), FORGET_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#forgetTimer);
  }

  handlers(): Omit<Handlers<'bptm'>, 'DeleteDiskImages' | 'ListDiskImages'> {
    return {
      OpenStream: async (request) => this.#open(request),
      WatchStream: async ({ grant, afterVersion, waitMs }, call) => {
        const runner = this.#streams.held(grant);
        const patienceMs = call.deadlineMs - Date.now() - POLL_MARGIN_MS;
        const { version, value } = await runner.watched.after(
          afterVersion,
          Math.min(waitMs, patienceMs),
          call.signal,
        );
        return stateOf(value, version);
      },
      FinishStream: async ({ grant, expectedBytes, env }) => {
        this.#streams.held(grant).finish(expectedBytes, env);
        return {};
      },
      AbortStream: async ({ grant, reason }) => {
        // A stream that is not known holds nothing: it is as aborted as can be.
        const runner = this.#streams.find(grant);
        const failure =
          reason === null
            ? new StatusError('cancelled', 'the stream was aborted')
            : fromWire(reason);
        runner?.apply({ type: 'abortAsked', failure });
        return {};
      },
      ConnectStream: async ({ grant, sequence, addresses }, call) => {
        const runner = this.#streams.held(grant);
        runner.apply({ type: 'dialAsked', sequence, addresses });
        await dialled(runner, sequence, call);
        return {};
      },
      SendRange: async ({ grant, sequence, offset, length }) => {
        this.#streams.held(grant).apply({ type: 'rangeAsked', sequence, offset, length });
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
    const admitted = this.#streams.admits(lease, (earlier, failure) =>
      earlier.apply({ type: 'abortAsked', failure }),
    );
    if (!admitted) return {};
    const runner = new StreamRunner(this.#parts, { request, lease });
    this.#streams.add(runner);
    runner.apply({ type: 'opened' });
    return {};
  }

  #forget(): void {
    this.#streams.forget(this.#parts.store.forget(this.#parts.clock.nowMs()));
    this.#parts.shared.forget();
  }
}

/** Resolves when the connection stands. Errors: what the dial failed with; 41 the caller's time is up. */
async function dialled(runner: StreamRunner, sequence: number, call: Call): Promise<void> {
  for (;;) {
    const { version, value } = runner.watched.now;
    const outcome = dialOutcome(value, sequence);
    if (outcome === 'connected') return;
    if (outcome !== 'pending') throw new StatusError(outcome.status, outcome.detail);
    const leftMs = call.deadlineMs - Date.now() - POLL_MARGIN_MS;
    if (leftMs <= 0 || call.signal.aborted) {
      throw new StatusError('connectTimedOut', 'the filer is still being dialled');
    }
    await runner.watched.after(version, leftMs, call.signal);
  }
}
