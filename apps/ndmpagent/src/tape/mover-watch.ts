// The mover of a tape session as it is watched: told by the server's posts, and asked for where posts may have been lost
// (draft, 3.7: never wait for a post alone).

import {
  MOVER_HALT,
  MOVER_PAUSE,
  MOVER_STATE,
  type NdmpClient,
  type Notification,
  nameOf,
} from '@tapestry/ndmp';
import { pause } from '@tapestry/runtime/until-answered';
import { Watched } from '@tapestry/runtime/watched';
import type { StatusError } from '@tapestry/status';

export interface MoverSight {
  readonly state: keyof typeof MOVER_STATE;
  /** Of a pause or a halt; empty otherwise. */
  readonly reason: string;
  readonly seekPosition: bigint;
  readonly bytesMoved: bigint;
  readonly bytesLeftToRead: bigint;
  readonly failure: StatusError | null;
}

const IDLE: MoverSight = {
  ...{ state: 'idle', reason: '', seekPosition: 0n, bytesMoved: 0n, bytesLeftToRead: 0n },
  failure: null,
};
const POLL_FAILURES_MAX = 5;
/** The state does not say which byte a paused mover wants: the post does, and gets this long to come. */
const POST_GRACE_MS = 2_000;
const POST_LOOK_MS = 100;
/** The first pause between two looks at a range that is being read; each next one is twice as long. */
const QUICK_MS = 10;
const STATE_NAMES = Object.keys(MOVER_STATE) as (keyof typeof MOVER_STATE)[];

export class MoverWatch {
  readonly watched = new Watched<MoverSight>(IDLE);
  /** Wakes the poll when something was ordered or told. */
  #wake: () => void = () => undefined;
  /** What the post of the present pause said. */
  #wanted: bigint | undefined;

  get now(): MoverSight {
    return this.watched.now.value;
  }

  /** A post says that something happened; what it is the state tells, which no reordering can make wrong. */
  hear(post: Notification): void {
    if (post.name === 'notifyMoverPaused') this.#wanted = post.body.seekPosition;
    if (post.name === 'notifyMoverPaused' || post.name === 'notifyMoverHalted') this.#wake();
  }

  /** The mover was given something to do: the pause before is over, and its state is worth a look. */
  ordered(): void {
    this.#wanted = undefined;
    this.#wake();
  }

  fail(failure: StatusError): void {
    if (this.now.failure === null) this.#set({ ...this.now, failure });
  }

  /** Asks every `everyMs`, and at once when woken, until the signal. */
  async run(client: NdmpClient, everyMs: number, signal: AbortSignal): Promise<void> {
    let failures = 0;
    let quickMs = QUICK_MS;
    while (!signal.aborted && !client.isClosed) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      try {
        await this.look(client, signal);
        failures = 0;
      } catch {
        failures += 1;
        if (failures >= POLL_FAILURES_MAX) client.close();
      }
      // That a range was read to its end nobody posts.
      const reading = this.now.state === 'active' && this.now.bytesLeftToRead > 0n;
      quickMs = reading ? Math.min(quickMs * 2, everyMs) : QUICK_MS;
      await pause(reading ? quickMs : everyMs, AbortSignal.any([signal, woken.signal]));
    }
  }

  async look(client: NdmpClient, signal: AbortSignal): Promise<void> {
    let got = await client.mover.getState({ signal });
    const endMs = performance.now() + POST_GRACE_MS;
    const mustKnow = (): boolean =>
      got.state === MOVER_STATE.paused && this.#wanted === undefined && performance.now() < endMs;
    while (mustKnow()) {
      await pause(POST_LOOK_MS, signal);
      got = await client.mover.getState({ signal });
    }
    const state = STATE_NAMES.find((name) => MOVER_STATE[name] === got.state) ?? 'idle';
    const pauseReason = client.mover.pauseReason({ reason: got.pauseReason });
    const reason =
      state === 'paused'
        ? nameOf(MOVER_PAUSE, pauseReason)
        : state === 'halted'
          ? nameOf(MOVER_HALT, got.haltReason)
          : '';
    const { bytesMoved, bytesLeftToRead } = got;
    const seekPosition = state === 'paused' ? (this.#wanted ?? got.seekPosition) : 0n;
    const next = { state, reason, seekPosition, bytesMoved, bytesLeftToRead };
    const { failure, ...before } = this.now;
    const isNew = (Object.keys(next) as (keyof typeof next)[]).some((k) => next[k] !== before[k]);
    if (isNew) this.#set({ ...next, failure });
  }

  #set(sight: MoverSight): void {
    this.watched.set(sight);
  }
}
