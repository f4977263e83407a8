// Orders to connect to a filer that listens: which of them are carried out, and what is answered to their repeats.

import type { Failure } from '../drive-process/messages.ts';

export interface Dial {
  readonly sequence: number;
  /** Orders so far, with this one. */
  readonly count: number;
  readonly outcome: 'pending' | 'connected' | Failure;
}

/** A stream is for one filer, which knows where it listens: more orders are somebody looking for open ports. */
const DIALS_MAX = 3;

/** The order as it is begun; null for a repeat, beside one that is under way, and when there were too many. */
export function nextDial(last: Dial | null, sequence: number): Dial | null {
  const count = (last?.count ?? 0) + 1;
  const isNew = last === null || (sequence > last.sequence && last.outcome !== 'pending');
  return isNew && count <= DIALS_MAX ? { sequence, count, outcome: 'pending' } : null;
}

/** The order with its outcome; an outcome of another order changes nothing. */
export function settledDial(
  dial: Dial | null,
  sequence: number | undefined,
  outcome: Dial['outcome'],
): Dial | null {
  return dial === null || dial.sequence !== sequence ? dial : { ...dial, outcome };
}

/** What became of an order, also of one that was not carried out; a stream that failed is the end of all. */
export function dialOutcome(
  { dial, failure }: { readonly dial: Dial | null; readonly failure: Failure | null },
  sequence: number,
): Dial['outcome'] {
  const isKnown = dial?.sequence === sequence;
  if (isKnown && dial.outcome !== 'pending') return dial.outcome;
  if (failure !== null) return failure;
  if (isKnown) return 'pending';
  const detail =
    dial?.count === DIALS_MAX
      ? `the stream was told ${DIALS_MAX} times where to connect: now it waits for the filer alone`
      : 'the stream does not wait for a data connection';
  return { status: 'invalidRequest', detail };
}
