// nbrb as a daemon: wires store, lease, neighbours, loops and handlers together.

import { type DaemonContext, type DaemonDefinition, tellDetail } from '@tapestry/runtime';
import { Effects, startHousekeeping, startPrimary } from '@tapestry/store';
import { z } from 'zod';
import { StoredQueue } from './adapters/queue.ts';
import { migrations, type RbDb } from './adapters/schema.ts';
import { driveHandlers } from './drives.ts';
import { dump } from './dump.ts';
import { makeEffectRunner } from './effects.ts';
import { type Evaluation, makeEvaluation } from './evaluation.ts';
import { grantHandlers } from './grants.ts';
import { type Loops, startLoops } from './loops.ts';
import { nextVolumeHandlers } from './next-volume.ts';
import { operatorHandlers } from './operator.ts';
import type { Parts, RbEffects } from './parts.ts';
import { forgiveSilence } from './reconcile.ts';
import { requestHandlers } from './requests.ts';
import { VolumeReturns } from './volume-return.ts';

const config = z
  .object({
    /** T2: a writer not heard of for so long has lost its grant. Longer than the T1 of bptm, in any case. */
    leaseT2Ms: z.coerce.number().int().min(1_000).default(600_000),
    /** How long a drive may take to be confirmed idle; turned where media servers restart slowly. */
    releaseWaitMs: z.coerce.number().int().min(0).default(120_000),
    /** How often to look at everything although nothing was heard. */
    pollMs: z.coerce.number().int().min(100).default(15_000),
    /** Whoever has waited longer goes first, whatever the priorities: turned where priorities are used a lot. */
    ageMs: z.coerce.number().int().min(0).default(28_800_000),
  })
  .strict();

const ROUND_BUCKETS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2];

type Config = z.infer<typeof config>;
type Led = Pick<Parts, 'store' | 'gate'>;

export const nbrb: DaemonDefinition<'nbrb', typeof config> = {
  service: 'nbrb',
  config,
  start: async (context) => {
    const primary = await startPrimary<RbDb>({
      context,
      schema: 'nbrb',
      migrations,
      lead: ({ store, leadership }) => lead(context, { store, gate: leadership }),
    });
    return { stop: () => primary.stop() };
  },
};

async function lead({ bus, log, clock, config, metrics }: DaemonContext<Config>, led: Led) {
  let loops: Loops | undefined;
  const queue = new StoredQueue();
  await queue.load(led.store.db);
  const planning = metrics.histogram('round_seconds', 'Planning of a round', ROUND_BUCKETS_S);
  const parts: Parts = {
    ...{ ...led, log, queue, limits: config },
    effects: new Effects<RbEffects>(),
    neighbours: {
      nbjm: bus.client('nbjm'),
      nbemm: bus.client('nbemm'),
      ltid: (host) => bus.client('ltid', host),
    },
    nowMs: () => clock.nowMs(),
    warn: (attempt, key, text) =>
      tellDetail(bus, { attempt, producer: 'nbrb', text, key, severity: 'warning' }),
    measured: (seconds) => planning.observe(seconds),
    wake: () => loops?.wake(),
  };
  const evaluation: Evaluation = makeEvaluation(parts);
  await forgiveSilence(parts);
  const returns = new VolumeReturns(parts);
  const effects = makeEffectRunner(parts, returns);
  effects.start();
  loops = startLoops(parts, evaluation);
  const hearing = await bus.hear('ResourcesChanged', ({ what }) => {
    evaluation.changed(what);
    parts.wake();
  });
  const server = await bus.serve('nbrb', {
    ...requestHandlers(parts),
    ...grantHandlers(parts),
    ...nextVolumeHandlers(parts),
    ...driveHandlers(parts),
    ...operatorHandlers(parts),
    ...returns.handlers(),
    Dump: () => dump(parts, evaluation.reasons),
  });
  const housekeeping = startHousekeeping(led.store);
  return {
    stop: async () => {
      returns.stop();
      await server.stop();
      await hearing.stop();
      await loops?.stop();
      await effects.stop();
      await housekeeping.stop();
    },
  };
}
