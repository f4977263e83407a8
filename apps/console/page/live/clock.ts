// The time as the console has it, so that a laptop with a wrong clock shows right ages; and a tick that makes
// relative times move on.

import { useSyncExternalStore } from 'react';

let offsetMs = 0;
let tickMs = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Told with every hello and ping of the stream. */
export function setServerTime(nowMs: number): void {
  offsetMs = nowMs - Date.now();
}

export function serverNowMs(): number {
  return Date.now() + offsetMs;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    tickMs = serverNowMs();
    for (const each of listeners) each();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0 || timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Epoch ms by the console's clock, anew every second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => tickMs);
}
