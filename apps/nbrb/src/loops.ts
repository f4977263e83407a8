// The loops of the leader: reconcile until it succeeded, then passes over the queue as they are wanted, and a slow
// look at leases and doubtful drives.

import { setTimeout as sleep } from 'node:timers/promises';
import { asStatusError, StatusError } from '@tapestry/status';
import { askDoubtfulHosts } from './drives.ts';
import type { Evaluation } from './evaluation.ts';
import { loseSilentGrants } from './grants.ts';
import type { Parts } from './parts.ts';
import { reconcile } from './reconcile.ts';

export interface Loops {
  /** Wants a pass soon. */
  wake(): void;
  stop(): Promise<void>;
}

const RETRY_MS = 1_000;

export function startLoops(parts: Parts, evaluation: Evaluation): Loops {
  const stopping = new AbortController();
  const { signal } = stopping;
  let wanted = true;
  let ring: () => void = () => {};
  const wake = (): void => {
    wanted = true;
    ring();
  };
  const passes = (async () => {
    await untilDone(parts, signal, 'reconcile', () => reconcile(parts));
    while (!signal.aborted) {
      if (!wanted) {
        await new Promise<void>((resolve) => {
          ring = resolve;
          const timer = setTimeout(resolve, parts.limits.pollMs);
          timer.unref();
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        if (signal.aborted) return;
      }
      wanted = false;
      await untilDone(parts, signal, 'look at the queue', () => evaluation.pass());
    }
  })();
  const leases = (async () => {
    const { leaseT2Ms, pollMs } = parts.limits;
    const everyMs = Math.min(leaseT2Ms / 10, pollMs, 5_000);
    let asked = parts.nowMs();
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      await untilDone(parts, signal, 'look at leases', () => loseSilentGrants(parts));
      if (parts.nowMs() - asked < pollMs) continue;
      asked = parts.nowMs();
      await untilDone(parts, signal, 'ask for drives', () => askDoubtfulHosts(parts));
    }
  })();
  return {
    wake,
    stop: async () => {
      stopping.abort();
      await Promise.all([passes, leases]);
    },
  };
}

/** Tries again while neighbours or the database are away; a bug ends the process. */
async function untilDone(
  parts: Parts,
  signal: AbortSignal,
  what: string,
  run: () => Promise<unknown>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await run();
      return;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      parts.log.warn({ detail: asStatusError(error).detail }, `could not ${what}, again soon`);
      await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}
