// Wakes a loop that waits: a ring while nobody waits is not lost, and many rings are one.

export interface Bell {
  ring(): void;
  /** Until it rings, the time is over, or the signal aborts. False: the time is over. */
  heard(timeoutMs: number, signal: AbortSignal): Promise<boolean>;
}

export function makeBell(): Bell {
  let rung = false;
  let wake: () => void = () => {};
  return {
    ring: () => {
      rung = true;
      wake();
    },
    heard: async (timeoutMs, signal) => {
      if (!rung && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            resolve();
          };
          const timer = setTimeout(done, timeoutMs);
          timer.unref();
          signal.addEventListener('abort', done);
          wake = done;
        });
        wake = () => {};
      }
      const heard = rung;
      rung = false;
      return heard;
    },
  };
}
