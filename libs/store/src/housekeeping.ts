// Removes what nobody asks for any more: stored answers and ended effects after their time.

import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Store } from './store.ts';
import { databaseNowMs } from './time.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** Short transactions: a neighbour's write never waits long behind a purge. */
const ROWS_A_TIME = 5_000;

export interface HousekeepingOptions {
  /** A repeated request finds its answer for at least this long. */
  answersKeepMs?: number | undefined;
  /** An effect's key is refused again for at least this long after the effect ended. */
  effectsKeepMs?: number | undefined;
  everyMs?: number | undefined;
}

/** One purge. @returns the rows removed */
export async function purge<DB>(
  store: Store<DB>,
  options: HousekeepingOptions = {},
): Promise<{ answers: number; effects: number }> {
  const { answersKeepMs = DAY_MS, effectsKeepMs = DAY_MS } = options;
  const answers = await inSteps(async () => {
    const { rows } = await sql`delete from answers where key = any(array(select key from answers
      where at_ms < ${databaseNowMs} - ${answersKeepMs}::double precision
      limit ${ROWS_A_TIME})) returning 1`.execute(store.db);
    return rows.length;
  });
  const effects = await inSteps(async () => {
    const { rows } = await sql`delete from effects where id = any(array(select id from effects
      where state <> 'pending' and ended_ms < ${databaseNowMs} - ${effectsKeepMs}::double precision
      limit ${ROWS_A_TIME})) returning 1`.execute(store.db);
    return rows.length;
  });
  return { answers, effects };
}

/** Purges now and then until stopped; an unreachable database only delays it. */
export function startHousekeeping<DB>(
  store: Store<DB>,
  options: HousekeepingOptions = {},
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = (async () => {
    while (!signal.aborted) {
      await purge(store, options).catch((error: unknown) =>
        store.log.warn({ err: error }, 'old answers and effects could not be removed'),
      );
      const waitMs = options.everyMs ?? 10 * 60 * 1_000;
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}

async function inSteps(step: () => Promise<number>): Promise<number> {
  let removed = 0;
  for (;;) {
    const rows = await step();
    removed += rows;
    if (rows < ROWS_A_TIME) return removed;
  }
}
