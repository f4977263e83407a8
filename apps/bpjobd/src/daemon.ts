// bpjobd put together: store, activity, events in, views out, service.

import type { DaemonContext, DaemonDefinition, Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import {
  type LeaderGate,
  type Stoppable,
  type Store,
  startHousekeeping,
  startPrimary,
} from '@tapestry/store';
import { Activity } from './activity.ts';
import { type Database, migrations } from './adapters/activity-store.ts';
import { type Config, config } from './config.ts';
import { bpjobdHandlers } from './service.ts';

export const bpjobd: DaemonDefinition<'bpjobd', typeof config> = {
  service: 'bpjobd',
  config,
  start: async (context) => {
    const primary = await startPrimary<Database>({
      context,
      schema: 'bpjobd',
      migrations,
      lead: ({ store, leadership, epoch }) => lead(context, { store, gate: leadership, epoch }),
    });
    return { stop: () => primary.stop() };
  },
};

const CLEAN_MS = 600_000;

async function lead(
  { bus, log, clock, config: settings }: DaemonContext<Config>,
  parts: { store: Store<Database>; gate: LeaderGate<Database>; epoch: bigint },
): Promise<Stoppable> {
  const { store, gate, epoch } = parts;
  const { db } = store;
  const activity = new Activity({ bus, db, gate, epoch, log, linesMax: settings.linesMax });
  await activity.load();
  const server = await bus.serve('bpjobd', bpjobdHandlers({ activity, db }));
  const heard = [
    await bus.consume('JobChanged', async ({ job }) => {
      if (job !== null) await activity.jobChanged(job);
    }),
    await bus.consume('JobDetail', (detail) => activity.detail(detail)),
    await bus.hear('JobProgress', (progress) => activity.progressed(progress)),
  ];
  const timers = [
    every(settings.saveProgressMs, log, () => activity.saveProgress()),
    every(CLEAN_MS, log, () => activity.deleteOld(clock.nowMs() - settings.keepMs)),
  ];
  const housekeeping = startHousekeeping(store);
  return {
    stop: async () => {
      await server.stop();
      for (const timer of timers) clearInterval(timer);
      await Promise.all(heard.map((each) => each.stop()));
      await activity.saveProgress().catch((error: unknown) => {
        log.warn({ err: asStatusError(error) }, 'the last progress could not be saved');
      });
      await housekeeping.stop();
    },
  };
}

function every(ms: number, log: Logger, work: () => Promise<void>): NodeJS.Timeout {
  let busy = false;
  return setInterval(() => {
    if (busy) return;
    busy = true;
    work()
      .catch((error: unknown) => log.warn({ err: asStatusError(error) }, 'tried again later'))
      .finally(() => {
        busy = false;
      });
  }, ms);
}
