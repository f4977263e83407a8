// The open drives of NDMP hosts on the bus: one session a grant, found by its attempt and fenced by its lease. Nothing of
// them is kept over a restart: their connections die with this process, and the hosts give the drives back.

import type { Handlers } from '@tapestry/bus';
import type { MoverState, OpenTapeRequest } from '@tapestry/contracts';
import type { NdmpHandlers } from '@tapestry/ndmp';
import { AttemptTable } from '@tapestry/runtime/attempt-table';
import { attemptKey, type Lease, leaseOf, refOf } from '@tapestry/runtime/fence';
import { StatusError, toWire } from '@tapestry/status';
import type { Filer } from '../filer.ts';
import type { AgentParts, TapeLender } from '../session-context.ts';
import type { MoverSight } from './mover-watch.ts';
import { TapeSession } from './tape-session.ts';

const POLL_MARGIN_MS = 1_000;
/** A session that is over is remembered this long, so that a late repeat opens no second one. */
const REMEMBER_MS = 300_000;

type TapeHandlers = Pick<
  Handlers<'ndmpagent'>,
  'OpenTape' | 'TapeCall' | 'WatchMover' | 'CloseTape'
>;

export class TapeService implements TapeLender {
  readonly #parts: AgentParts;
  readonly #tapes = new AttemptTable<TapeSession>('tape session');
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(parts: AgentParts) {
    this.#parts = parts;
  }

  handlers(): TapeHandlers {
    return {
      OpenTape: (request) => this.#open(request).ready(),
      TapeCall: (request) => this.#held(request.grant).call(request),
      WatchMover: async ({ grant, afterVersion, waitMs }, call) => {
        const tape = this.#held(grant);
        tape.heard();
        const patienceMs = call.deadlineMs - Date.now() - POLL_MARGIN_MS;
        const { version, value } = await tape.mover.watched.after(
          afterVersion,
          Math.min(waitMs, patienceMs),
          call.signal,
        );
        tape.heard();
        return moverState(value, version);
      },
      CloseTape: async ({ grant }) => {
        const tape = this.#tapes.find(grant);
        if (tape !== undefined) await this.#end(tape);
        return {};
      },
    };
  }

  lend(lease: Lease, host: string, handlers: NdmpHandlers): Promise<Filer> {
    return this.#held(refOf(lease)).lend(host, handlers);
  }

  handBack(lease: Lease): void {
    this.#tapes.find(refOf(lease))?.handBack();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#tapes.all].map((tape) => tape.close()));
  }

  #open({ grant, ndmpHost, device, writes }: OpenTapeRequest): TapeSession {
    const lease = leaseOf(grant);
    if (!this.#tapes.admits(lease, (earlier) => void this.#end(earlier))) {
      return this.#held(refOf(lease));
    }
    if (ndmpHost === '' || device === '') {
      throw new StatusError('invalidRequest', 'the tape session names no NDMP host or no drive');
    }
    const tape = new TapeSession(this.#parts, lease, { ndmpHost, device, writes });
    this.#tapes.add(tape);
    return tape;
  }

  #held(grant: OpenTapeRequest['grant']): TapeSession {
    const tape = this.#tapes.held(grant);
    if (!tape.isOver) return tape;
    throw new StatusError('notFound', 'the tape session is over');
  }

  async #end(tape: TapeSession): Promise<void> {
    const isFirst = !tape.isOver;
    await tape.close();
    if (!isFirst) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#tapes.forget([attemptKey(tape.lease.attempt)]);
    }, REMEMBER_MS);
    this.#timers.add(timer);
  }
}

function moverState(sight: MoverSight, version: bigint): MoverState {
  const { failure, ...rest } = sight;
  return { ...rest, version, status: failure === null ? null : toWire(failure) };
}
