// Compares the runs that nbjm believes in with those that media servers know, at start and now and then. A media
// server that cannot be reached tells nothing: its lease decides (nbrb calls the grant lost).

import type { Bus } from '@tapestry/bus';
import { hostToken } from '@tapestry/contracts';
import type { Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import type { LeaderGate } from '@tapestry/store';
import type { Kysely } from 'kysely';
import { type Database, deleteDone, readRunning } from './adapters/job-store.ts';
import { runEvents } from './core/runs.ts';
import { heldGrant, type Job } from './core/state.ts';
import type { Jobs } from './jobs.ts';

export interface ReconcileParts {
  readonly bus: Bus;
  readonly db: Kysely<Database>;
  readonly gate: LeaderGate<Database>;
  readonly jobs: Jobs;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly everyMs: number;
  readonly doneKeepMs: number;
}

const NOT_YET_MS = 200;

export function startReconciling(parts: ReconcileParts): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = (async () => {
    while (!signal.aborted) {
      const leads = parts.gate.leads();
      try {
        if (leads) await reconcile(parts, signal);
      } catch (error) {
        if (!signal.aborted) parts.log.warn({ err: asStatusError(error) }, 'could not reconcile');
      }
      // The first round comes as soon as this instance leads.
      await pause(leads ? parts.everyMs : Math.min(parts.everyMs, NOT_YET_MS), signal);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}

/** One round. */
export async function reconcile(parts: ReconcileParts, signal: AbortSignal): Promise<void> {
  const byHost = Map.groupBy(await readRunning(parts.db), (job) => job.shown.mediaServer);
  await Promise.all([...byHost].map(([host, jobs]) => askHost(parts, host, jobs, signal)));
  await deleteDone(parts.db, parts.nowMs() - parts.doneKeepMs);
}

/** The jobs were read before the question, so a run that they know of had been confirmed before it. */
async function askHost(
  { bus, jobs, log }: ReconcileParts,
  host: string,
  running: readonly Job[],
  signal: AbortSignal,
): Promise<void> {
  const answer = await bus
    .client('bpbrm', hostToken(host))
    .ListRuns({}, { signal })
    .catch((error: unknown) => {
      log.debug({ err: error, host }, 'the runs of a media server are not known now');
      return undefined;
    });
  if (answer === undefined) return;
  for (const job of running) {
    const grantId = heldGrant(job)?.grantId ?? '';
    for (const event of runEvents([grantId], answer.runs)) await jobs.apply(job.id, event);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
