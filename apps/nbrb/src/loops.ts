// The loops of the leader: reconcile until it succeeded, then rounds over the queue as they are wanted; beside them who
// waits is told why, and there is a slow look at leases, doubtful drives, and grants of jobs that are over.

import { setTimeout as sleep } from 'node:timers/promises';
import { asStatusError, StatusError } from '@tapestry/status';
import { makeBell } from './bell.ts';
import { askDoubtfulHosts } from './drives.ts';
import type { Evaluation } from './evaluation.ts';
import { loseSilentGrants } from './grants.ts';
import type { Parts } from './parts.ts';
import { reconcile, releaseWhatIsOver } from './reconcile.ts';
import { tellWaiting } from './telling.ts';

export interface Loops {
  /** Wants a round soon. */
  wake(): void;
  stop(): Promise<void>;
}

const RETRY_MS = 1_000;
/** Between two steps of telling. */
const TELL_PAUSE_MS = 100;
/** A job that ended without giving back is found after so long at most. */
const SYNC_EVERY_MS = 300_000;

export function startLoops(parts: Parts, evaluation: Evaluation): Loops {
  const stopping = new AbortController();
  const { signal } = stopping;
  const wanted = makeBell();
  const news = makeBell();
  const until = (what: string, run: () => Promise<unknown>): Promise<void> =>
    untilDone(parts, signal, what, run);
  const rounds = async (): Promise<void> => {
    await until('reconcile', () => reconcile(parts));
    wanted.ring();
    while (!signal.aborted) {
      const heard = await wanted.heard(parts.limits.pollMs, signal);
      if (signal.aborted) return;
      if (!heard) await until('compare the queue', () => compareQueue(parts));
      await until('look at the queue', () => evaluation.round());
      news.ring();
    }
  };
  const telling = async (): Promise<void> => {
    while (!signal.aborted) {
      await news.heard(parts.limits.pollMs, signal);
      if (signal.aborted) return;
      await until('tell who waits', async () => {
        if (await tellWaiting(parts, evaluation.reasons)) news.ring();
      });
      await pause(TELL_PAUSE_MS, signal);
    }
  };
  const running = Promise.all([rounds(), telling(), watchLeases(parts, signal, until)]);
  return {
    wake: () => wanted.ring(),
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

async function watchLeases(
  parts: Parts,
  signal: AbortSignal,
  until: (what: string, run: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const { leaseT2Ms, pollMs } = parts.limits;
  const everyMs = Math.min(leaseT2Ms / 10, pollMs, 5_000);
  let asked = parts.nowMs();
  let synced = asked;
  while (!signal.aborted) {
    await pause(everyMs, signal);
    if (signal.aborted) return;
    await until('look at leases', () => loseSilentGrants(parts));
    if (parts.nowMs() - asked < pollMs) continue;
    asked = parts.nowMs();
    await until('ask for drives', () => askDoubtfulHosts(parts));
    if (asked - synced < SYNC_EVERY_MS) continue;
    synced = asked;
    await until('ask which jobs live', () => releaseWhatIsOver(parts));
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
}

/** A commit whose answer was lost leaves the queue in memory behind that on disk. */
async function compareQueue({ queue, store, log }: Parts): Promise<void> {
  if (await queue.matches(store.db)) return;
  log.warn({}, 'the queue in memory is not that on disk, it is read again');
  await queue.load(store.db);
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
      await pause(RETRY_MS, signal);
    }
  }
}
