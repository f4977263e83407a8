// So many at once, the others wait in order, for a bounded time.

import { StatusError } from '@tapestry/status';

export type TakeTurn = <T>(act: () => Promise<T>) => Promise<T>;

const WAITING_MAX = 1_000;

/** Errors: 1203 the turn did not come within `waitMaxMs`, or too many wait: then `act` is not begun. */
export function makeTurns(options: {
  readonly atOnce: number;
  readonly waitMaxMs: number;
  /** What they wait for, for the message. */
  readonly what: string;
}): TakeTurn {
  const { atOnce, waitMaxMs, what } = options;
  const waiting: (() => void)[] = [];
  let running = 0;
  const busy = () => new StatusError('kmsBusy', `${what} does not come free: try again`);
  const enter = async (): Promise<void> => {
    if (running < atOnce) {
      running += 1;
      return;
    }
    if (waiting.length >= WAITING_MAX) throw busy();
    await new Promise<void>((resolve, reject) => {
      const come = () => {
        clearTimeout(patience);
        resolve();
      };
      const patience = setTimeout(() => {
        waiting.splice(waiting.indexOf(come), 1);
        reject(busy());
      }, waitMaxMs);
      waiting.push(come);
    });
  };
  return async (act) => {
    await enter();
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
