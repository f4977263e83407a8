// Plans carried out by a robot that may fail: moves are tried again after pauses, and when the elements turn out to be other
// than they looked, they are read again and planned anew. A bounded number of times, then the failure stands.

import { pause } from '@tapestry/runtime/until-answered';
import { asStatusError, StatusError } from '@tapestry/status';
import type { Library, LibraryElement, MoveOptions } from '@tapestry/storage';
import {
  corrected,
  judgeFailedMove,
  type Marks,
  marksAfter,
  wasMade,
} from './core/move-failure.ts';
import { afterMove, type Move, type Plan } from './core/plan.ts';

export interface MoveJob {
  readonly library: Library;
  readonly planned: (elements: readonly LibraryElement[]) => Plan;
  readonly optionsOf?: (move: Move) => MoveOptions;
  /** Told of each move that was made. */
  readonly onMoved?: (move: Move) => void;
  readonly retryPauseMs: number;
  readonly signal: AbortSignal;
}

/** `at`: the move that failed; null when there was no plan, or the elements could not be read. */
export type MoveOutcome =
  | { readonly elements: readonly LibraryElement[] }
  | { readonly failure: StatusError; readonly at: Move | null };

/** Pauses before the same move is tried again, as multiples of `retryPauseMs`. */
const PAUSES = [1, 5, 15];
const REPLANS_MAX = 4;

/** Answers the elements on which the last plan stood: after its moves they are history. Never throws. */
export async function carryOut(job: MoveJob): Promise<MoveOutcome> {
  try {
    return await new Carrying(job).run();
  } catch (error) {
    return { failure: asStatusError(error, 'robotDown'), at: null };
  }
}

class Carrying {
  readonly #job: MoveJob;
  #marks: Marks = new Map();
  #looked = false;

  constructor(job: MoveJob) {
    this.#job = job;
  }

  async run(): Promise<MoveOutcome> {
    let seen = await this.#inventory();
    for (let replans = 0; ; replans += 1) {
      const elements = corrected(seen, this.#marks);
      const found = this.#job.planned(elements);
      if ('failure' in found) {
        const { status, detail } = found.failure;
        // It may have been put in since the library last looked.
        if (this.#looked || status !== 'mediaMisplaced') {
          return { failure: new StatusError(status, detail), at: null };
        }
      } else {
        const outcome = await this.#moves(elements, found.moves);
        if ('elements' in outcome || replans === REPLANS_MAX) return outcome;
        if (judgeFailedMove(outcome.failure.status) !== 'replan') return outcome;
      }
      this.#looked = true;
      seen = await this.#job.library.rescan();
    }
  }

  async #moves(elements: readonly LibraryElement[], moves: readonly Move[]): Promise<MoveOutcome> {
    let now = elements;
    for (const move of moves) {
      const failure = await this.#move(now, move);
      this.#marks = marksAfter(this.#marks, move, failure?.status ?? null);
      if (failure !== null) return { failure, at: move };
      this.#job.onMoved?.(move);
      now = afterMove(now, move);
    }
    return { elements: now };
  }

  async #move(before: readonly LibraryElement[], move: Move): Promise<StatusError | null> {
    const { library, optionsOf, retryPauseMs, signal } = this.#job;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await library.move(move.from, move.to, optionsOf?.(move) ?? {});
        return null;
      } catch (error) {
        const failure = asStatusError(error, 'robotDown');
        if (judgeFailedMove(failure.status) === 'giveUp') return failure;
        const after = await library.inventory().catch(() => null);
        if (after !== null && wasMade(before, after, move)) return null;
        const factor = PAUSES[attempt];
        if (judgeFailedMove(failure.status) === 'replan' || factor === undefined) return failure;
        await pause(factor * retryPauseMs, signal);
        signal.throwIfAborted();
      }
    }
  }

  /** A door that is open, or a robot that is busy with itself, may be well again soon. */
  async #inventory(): Promise<readonly LibraryElement[]> {
    const { library, retryPauseMs, signal } = this.#job;
    for (const factor of PAUSES) {
      try {
        return await library.inventory();
      } catch (error) {
        const { status } = asStatusError(error, 'robotDown');
        if (judgeFailedMove(status) !== 'again') throw error;
      }
      await pause(factor * retryPauseMs, signal);
      signal.throwIfAborted();
    }
    return await library.inventory();
  }
}
