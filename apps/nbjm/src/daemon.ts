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
import { boundedGate } from './adapters/bounded-gate.ts';
import { ChangeTeller } from './adapters/change-teller.ts';
import { commandHandlers, onPermanentFailure } from './adapters/commands.ts';
import { type Database, migrations } from './adapters/job-store.ts';
import { type Kinds, Outbox } from './adapters/outbox.ts';
import { TicketSigner } from './adapters/ticket.ts';
import { type Config, config } from './config.ts';
import { tryAgain } from './core/patience.ts';
import { Jobs } from './jobs.ts';
import { startReconciling } from './reconcile.ts';
import { nbjmHandlers } from './service.ts';
import { taskHandlers } from './tasks.ts';

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

/** Of the pool's ten connections two stay free for reads and for the lease. */
const TRANSACTIONS_MAX = 8;

async function lead(
  { bus, log, clock, config: settings }: DaemonContext<Config>,
  signer: TicketSigner,
  store: Store<Database>,
  leadership: LeaderGate<Database>,
): Promise<Stoppable> {
  const nowMs = clock.nowMs;
  const { db } = store;
  const gate = boundedGate(leadership, TRANSACTIONS_MAX);
  const teller = new ChangeTeller({ bus, db, gate: leadership, log });
  const outbox = new Outbox({
    line: (line) => tellDetail(bus, { ...line, producer: 'nbjm' }),
    change: (jobId) => teller.changed(jobId),
  });
  const jobs = new Jobs({ gate, outbox, nowMs, stopDeadlineMs: settings.stopDeadlineMs });
  const runner = new EffectRunner<Database, Kinds>({
    ...{ store, gate, effects: outbox.effects, concurrencyMax: settings.commandsMax },
    handlers: commandHandlers({
      ...{ bus, db, jobs, sign: (spec) => signer.sign(spec) },
      tellLine: (attempt, key, text) =>
        tellDetail(bus, { attempt, key, text, producer: 'nbjm', severity: 'warning' }),
    }),
    onPermanentFailure: (tx, failure) => onPermanentFailure(jobs, tx, failure),
    isRetryable: (error, effect) => tryAgain(effect.kind, error.status, effect.tries),
    pollMs: 500,
  });
  const server = await bus.serve('nbjm', {
    ...nbjmHandlers({ jobs, db, log }),
    ...taskHandlers({ gate, outbox, nowMs }),
  });
  runner.start();
  teller.start();
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
      await teller.stop();
      await housekeeping.stop();
    },
  };
}
