// nbjm put together: store, outbox, jobs, commands, service.

import { type DaemonContext, type DaemonDefinition, tellDetail } from '@tapestry/runtime';
import {
  EffectRunner,
  type LeaderGate,
  type Stoppable,
  type Store,
  startHousekeeping,
  startPrimary,
} from '@tapestry/store';
import { commandHandlers, onPermanentFailure } from './adapters/commands.ts';
import { type Database, migrations } from './adapters/job-store.ts';
import { type Kinds, Outbox } from './adapters/outbox.ts';
import { TicketSigner } from './adapters/ticket.ts';
import { type Config, config } from './config.ts';
import { tryAgain } from './core/patience.ts';
import { Jobs } from './jobs.ts';
import { startReconciling } from './reconcile.ts';
import { nbjmHandlers } from './service.ts';

export const nbjm: DaemonDefinition<'nbjm', typeof config> = {
  service: 'nbjm',
  config,
  start: async (context) => {
    const { clock, config: settings } = context;
    const signer = new TicketSigner(settings.ticketKeyFile, settings.ticketLifeMs, clock.nowMs);
    const primary = await startPrimary<Database>({
      context,
      schema: 'nbjm',
      migrations,
      lead: ({ store, leadership }) => lead(context, signer, store, leadership),
    });
    return { stop: () => primary.stop() };
  },
};

async function lead(
  { bus, log, clock, config: settings }: DaemonContext<Config>,
  signer: TicketSigner,
  store: Store<Database>,
  gate: LeaderGate<Database>,
): Promise<Stoppable> {
  const nowMs = clock.nowMs;
  const { db } = store;
  const outbox = new Outbox((line) => tellDetail(bus, { ...line, producer: 'nbjm' }));
  const jobs = new Jobs({ gate, outbox, nowMs, stopDeadlineMs: settings.stopDeadlineMs });
  const runner = new EffectRunner<Database, Kinds>({
    ...{ store, gate, effects: outbox.effects, concurrencyMax: settings.commandsMax },
    handlers: commandHandlers({ bus, db, jobs, sign: (spec) => signer.sign(spec) }),
    onPermanentFailure: (tx, failure) => onPermanentFailure(jobs, tx, failure),
    isRetryable: (error, effect) => tryAgain(effect.kind, error.status, effect.tries),
    pollMs: 500,
  });
  const server = await bus.serve('nbjm', nbjmHandlers({ jobs, db, log }));
  runner.start();
  const reconciling = startReconciling({
    ...{ bus, db, gate, jobs, log, nowMs },
    ...{ everyMs: settings.reconcileMs, doneKeepMs: settings.doneKeepMs },
  });
  const housekeeping = startHousekeeping(store);
  return {
    stop: async () => {
      await server.stop();
      await reconciling.stop();
      await runner.stop();
      await housekeeping.stop();
    },
  };
}
