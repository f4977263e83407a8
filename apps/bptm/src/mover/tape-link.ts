// The tape session of one stream at this host's ndmpagent, as calls that are asked again until they are answered: each has
// a number, so that a repeat is joined and never done twice.

import type { Client } from '@tapestry/bus';
import type {
  Init,
  MoverOrder,
  MoverState,
  TapeCallReply,
  TapeCallRequest,
  TapeOperation,
} from '@tapestry/contracts';
import { type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered, wasAnsweredBy } from '@tapestry/runtime/until-answered';

export interface TapeLinkParts {
  readonly agent: Client<'ndmpagent'>;
  readonly lease: Lease;
  /** Aborts when the stream is over. */
  readonly signal: AbortSignal;
}

/** One operation may take so long: a tape is wound from end to end, or a robot brings it. */
const OPERATION_MAX_MS = 900_000;
const CLOSE_MAX_MS = 120_000;
const WATCH_MS = 20_000;

export class TapeLink {
  readonly #parts: TapeLinkParts;
  #sequence = 0;

  constructor(parts: TapeLinkParts) {
    this.#parts = parts;
  }

  /** Errors: 41, 47, 58, 83, 97, 99, 902, 2037, 2108. */
  open(place: { ndmpHost: string; device: string; writes: boolean }) {
    const { agent, lease } = this.#parts;
    return this.#answered((signal) =>
      agent.OpenTape({ grant: refOf(lease), ...place }, { signal }),
    );
  }

  /** One at a time. Errors: 227 the session is gone; those of a drive. */
  call(
    operation: TapeOperation,
    fields: Init<Omit<TapeCallRequest, 'operation' | 'grant' | 'sequence'>> = {},
  ): Promise<TapeCallReply> {
    const { agent, lease } = this.#parts;
    this.#sequence += 1;
    const request = { grant: refOf(lease), sequence: this.#sequence, operation, ...fields };
    return this.#answered((signal) => agent.TapeCall(request, { signal }));
  }

  order(operation: TapeOperation, mover: Init<MoverOrder> = {}): Promise<TapeCallReply> {
    return this.call(operation, { mover });
  }

  /** The mover's state above `afterVersion`, or the same one after a while; 0 answers with the present one. */
  watch(afterVersion: bigint): Promise<MoverState> {
    const { agent, lease } = this.#parts;
    const question = { grant: refOf(lease), afterVersion, waitMs: WATCH_MS };
    return this.#answered((signal) =>
      agent.WatchMover(question, { signal, deadlineMs: WATCH_MS + 5_000 }),
    );
  }

  /** Also after the stream's end. Never fails: what cannot be told closes by its silence. */
  async close(): Promise<void> {
    const { agent, lease } = this.#parts;
    const signal = AbortSignal.timeout(CLOSE_MAX_MS);
    await untilAnswered((call) => agent.CloseTape({ grant: refOf(lease) }, { signal: call }), {
      signal,
    }).catch(() => undefined);
  }

  #answered<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = AbortSignal.any([this.#parts.signal, AbortSignal.timeout(OPERATION_MAX_MS)]);
    // What an NDMP host did not answer is an answer of ndmpagent's.
    return untilAnswered(call, { signal, isAnswer: wasAnsweredBy('ndmpagent') });
  }
}
