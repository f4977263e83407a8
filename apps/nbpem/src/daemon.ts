// nbpem put together: store, policies, submissions, scheduler, service.

import type { DaemonContext, DaemonDefinition } from '@tapestry/runtime';
import {
  EffectRunner,
  type LeaderGate,
  type Stoppable,
  type Store,
  startHousekeeping,
  startPrimary,
} from '@tapestry/store';
import { type Database, migrations } from './adapters/task-store.ts';
import { offsetOf } from './adapters/time-zone.ts';
import { type Config, config } from './config.ts';
import type { OffsetAt } from './core/windows.ts';
import { PolicyBook } from './policy-book.ts';
import { Scheduler } from './scheduler.ts';
import { nbpemHandlers } from './service.ts';
import { type Kinds, Submissions } from './submissions.ts';

/** `nowMs` is the clock that schedules follow; a test gives its own. */
export function makeNbpem(nowMs?: () => number): DaemonDefinition<'nbpem', typeof config> {
  return {
    service: 'nbpem',
    config,
    start: async (context) => {
      const offsetAt = offsetOf(context.config.timeZone);
      const clock = nowMs ?? (() => context.clock.nowMs());
      const primary = await startPrimary<Database>({
        context,
        schema: 'nbpem',
        migrations,
        lead: ({ store, leadership }) =>
          lead(context, { store, gate: leadership, clock, offsetAt }),
      });
      return { stop: () => primary.stop() };
    },
  };
}

interface Parts {
  readonly store: Store<Database>;
  readonly gate: LeaderGate<Database>;
  readonly clock: () => number;
  readonly offsetAt: OffsetAt;
}

async function lead(
  { bus, log, config: settings }: DaemonContext<Config>,
  { store, gate, clock, offsetAt }: Parts,
): Promise<Stoppable> {
  const { db } = store;
  const book = new PolicyBook(bus, settings.policyUpdateMs);
  const submissions = new Submissions({ bus, db, gate });
  const { triesMax, triesPeriodMs, retryDelayMs, maxJobsPerClient } = settings;
  const shared = {
    ...{ book, db, gate, submissions, offsetAt, nowMs: clock, maxJobsPerClient },
    retry: { triesMax, triesPeriodMs, retryDelayMs },
  };
  const { tickMs, keepMs } = settings;
  const scheduler = new Scheduler({ ...shared, log, tickMs, keepMs });
  const runner = new EffectRunner<Database, Kinds>({
    ...{ store, gate, effects: submissions.effects, handlers: submissions.handlers() },
    onPermanentFailure: (tx, failure) => submissions.onPermanentFailure(tx, failure),
    pollMs: 500,
  });
  const changed = await bus.consume('PolicyChanged', async () => {
    book.markStale();
    scheduler.hurry();
  });
  const validated = await bus.consume('ImageValidated', async (image) => book.note(image));
  const server = await bus.serve(
    'nbpem',
    nbpemHandlers({ ...shared, bus, hurry: () => scheduler.hurry() }),
  );
  runner.start();
  scheduler.start();
  const housekeeping = startHousekeeping(store);
  return {
    stop: async () => {
      await server.stop();
      await scheduler.stop();
      await Promise.all([changed.stop(), validated.stop()]);
      await runner.stop();
      await housekeeping.stop();
    },
  };
}
