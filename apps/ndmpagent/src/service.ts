// ndmpagent on the bus: one session a grant, found by its attempt and fenced by its lease.

import type { Handlers } from '@tapestry/bus';
import type { Empty, GrantRef } from '@tapestry/contracts';
import {
  attemptKey,
  compareLeases,
  leaseOf,
  requireSameLease,
  stepKey,
} from '@tapestry/runtime/fence';
import { fromWire, StatusError } from '@tapestry/status';
import { type SessionStore, stateOf, type Work } from './adapters/session-store.ts';
import { AgentSession } from './agent-session.ts';
import { probe } from './probe.ts';
import type { AgentParts } from './session-context.ts';

/** A poll ends this long before its caller gives up. */
const POLL_MARGIN_MS = 1_000;
const FORGET_EVERY_MS = 3_600_000;

export class AgentService {
  readonly #parts: AgentParts;
  readonly #store: SessionStore;
  readonly #byAttempt = new Map<string, AgentSession>();
  /** The newest try of each step. */
  readonly #newest = new Map<string, AgentSession>();
  #forgetTimer: NodeJS.Timeout | undefined;

  constructor(parts: AgentParts, store: SessionStore) {
    this.#parts = parts;
    this.#store = store;
  }

  takeUp(): void {
    this.#forget();
    for (const stored of this.#store.all()) {
      const session = new AgentSession(this.#parts, this.#store, stored);
      this.#add(session);
      session.resume();
    }
    this.#forgetTimer = setInterval(() => this.#forget(), FORGET_EVERY_MS);
  }

  /** Waits for what the stop signal ends: a build that still runs would meet the one of the next start. */
  async stop(): Promise<void> {
    clearInterval(this.#forgetTimer);
    await Promise.all([...this.#byAttempt.values()].map((session) => session.settled));
  }

  handlers(): Handlers<'ndmpagent'> {
    const { config, filers } = this.#parts;
    return {
      StartBackup: async (request) => this.#start({ kind: 'backup', request }),
      StartRestore: async (request) => this.#start({ kind: 'restore', request }),
      WatchSession: async ({ grant, afterVersion, waitMs }, call) => {
        const session = this.#held(grant);
        const patienceMs = call.deadlineMs - Date.now() - POLL_MARGIN_MS;
        const { version, value } = await session.watched.after(
          afterVersion,
          Math.min(waitMs, patienceMs),
          call.signal,
        );
        return stateOf(value, version);
      },
      AbortSession: async ({ grant, reason }) => {
        const lease = leaseOf(grant);
        const session = this.#byAttempt.get(attemptKey(lease.attempt));
        // A session that is not known is as aborted as can be.
        if (session === undefined) return {};
        requireSameLease(session.lease, lease);
        session.abort(
          reason === null
            ? new StatusError('cancelled', 'the session was aborted')
            : fromWire(reason),
        );
        return {};
      },
      Probe: async (request, call) => {
        return { facts: await probe(request, { config, filers, signal: call.signal }) };
      },
    };
  }

  #start(work: Work): Empty {
    const lease = leaseOf(work.request.grant);
    const known = this.#newest.get(stepKey(lease.attempt));
    if (known !== undefined) {
      const order = compareLeases(known.lease, lease);
      if (order === 'same') return {};
      if (order === 'older') requireSameLease(known.lease, lease);
      known.abort(new StatusError('staleGrant', `try ${lease.attempt.try} took over`));
    }
    const session = new AgentSession(this.#parts, this.#store, { work, lease });
    this.#add(session);
    session.start();
    return {};
  }

  #held(ref: GrantRef | null): AgentSession {
    const lease = leaseOf(ref);
    const key = attemptKey(lease.attempt);
    const session = this.#byAttempt.get(key);
    if (session === undefined) throw new StatusError('notFound', `there is no session for ${key}`);
    requireSameLease(session.lease, lease);
    return session;
  }

  #add(session: AgentSession): void {
    this.#byAttempt.set(session.key, session);
    const step = stepKey(session.lease.attempt);
    const newest = this.#newest.get(step);
    if (newest === undefined || compareLeases(newest.lease, session.lease) === 'newer') {
      this.#newest.set(step, session);
    }
  }

  #forget(): void {
    for (const key of this.#store.forget(this.#parts.clock.nowMs())) {
      const session = this.#byAttempt.get(key);
      this.#byAttempt.delete(key);
      const step = session && stepKey(session.lease.attempt);
      if (step !== undefined && this.#newest.get(step) === session) this.#newest.delete(step);
    }
  }
}
