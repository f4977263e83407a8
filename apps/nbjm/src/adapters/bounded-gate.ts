// A leader gate with a bound: so many transactions at once, the others wait here, in order. Without it a burst of
// calls would wait for the pool's connections instead, and run into the time that is meant for a dead database.

import type { LeaderGate } from '@tapestry/store';

export function boundedGate<DB>(gate: LeaderGate<DB>, transactionsMax: number): LeaderGate<DB> {
  let running = 0;
  const waiting: (() => void)[] = [];
  const enter = async (): Promise<void> => {
    if (running < transactionsMax) running += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  };
  return {
    leads: () => gate.leads(),
    write: async (fn) => {
      await enter();
      try {
        return await gate.write(fn);
      } finally {
        leave();
      }
    },
  };
}
