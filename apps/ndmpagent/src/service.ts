// ndmpagent on the bus: one session a grant, found by its attempt and fenced by its lease.

import type { Handlers } from '@tapestry/bus';
import type { Empty } from '@tapestry/contracts';
import { AttemptTable } from '@tapestry/runtime/attempt-table';
import { leaseOf } from '@tapestry/runtime/fence';
import { fromWire, StatusError } from '@tapestry/status';
import { type SessionStore, stateOf, type Work } from './adapters/session-store.ts';
import { AgentSession } from './agent-session.ts';
import { probe } from './probe.ts';
import { RobotService } from './robot/robot-service.ts';
import type { AgentParts, SessionContext } from './session-context.ts';
import { TapeService } from './tape/tape-service.ts';

/** A poll ends this long before its caller gives up. */
const POLL_MARGIN_MS = 1_000;
const FORGET_EVERY_MS = 3_600_000;

export class AgentService {
  readonly #parts: SessionContext['parts'];
  readonly #tapes: TapeService;
  readonly #robots: RobotService;
  readonly #store: SessionStore;
  readonly #sessions = new AttemptTable<AgentSession>('session');
  #forgetTimer: NodeJS.Timeout | undefined;

  constructor(parts: AgentParts, store: SessionStore) {
    this.#tapes = new TapeService(parts);
    this.#robots = new RobotService(parts);
    this.#parts = { ...parts, tapes: this.#tapes };
    this.#store = store;
  }

  takeUp(): void {
    this.#forget();
    for (const stored of this.#store.all()) {
      const session = new AgentSession(this.#parts, this.#store, stored);
      this.#sessions.add(session);
      session.resume();
    }
    this.#forgetTimer = setInterval(() => this.#forget(), FORGET_EVERY_MS);
  }

  /** Waits for what the stop signal ends: a build that still runs would meet the one of the next start. */
  async stop(): Promise<void> {
    clearInterval(this.#forgetTimer);
    await Promise.all([...this.#sessions.all].map((session) => session.settled));
    await this.#tapes.stop();
  }

  handlers(): Handlers<'ndmpagent'> {
    const { config, filers, trace } = this.#parts;
    return {
      ...this.#tapes.handlers(),
      ...this.#robots.handlers(),
      StartBackup: async (request) => this.#start({ kind: 'backup', request }),
      StartRestore: async (request) => this.#start({ kind: 'restore', request }),
      WatchSession: async ({ grant, afterVersion, waitMs }, call) => {
        const session = this.#sessions.held(grant);
        const patienceMs = call.deadlineMs - Date.now() - POLL_MARGIN_MS;
        const { version, value } = await session.watched.after(
          afterVersion,
          Math.min(waitMs, patienceMs),
          call.signal,
        );
        return stateOf(value, version);
      },
      AbortSession: async ({ grant, reason }) => {
        // A session that is not known is as aborted as can be.
        this.#sessions
          .find(grant)
          ?.abort(
            reason === null
              ? new StatusError('cancelled', 'the session was aborted')
              : fromWire(reason),
          );
        return {};
      },
      Probe: async (request, call) => {
        return { facts: await probe(request, { config, filers, trace, signal: call.signal }) };
      },
    };
  }

  #start(work: Work): Empty {
    const lease = leaseOf(work.request.grant);
    const admitted = this.#sessions.admits(lease, (earlier, reason) => earlier.abort(reason));
    if (!admitted) return {};
    const session = new AgentSession(this.#parts, this.#store, { work, lease });
    this.#sessions.add(session);
    session.start();
    return {};
  }

  #forget(): void {
    this.#sessions.forget(this.#store.forget(this.#parts.clock.nowMs()));
  }
}
