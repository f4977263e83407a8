// The definition of bpbrm: what main.ts runs, and what tests run in their own process.

import { join } from 'node:path';
import type { DaemonContext, RunningParts } from '@tapestry/runtime';
import { RunStore } from './adapters/run-store.ts';
import { type Config, config } from './config.ts';
import { RunService } from './service.ts';

async function start(context: DaemonContext<Config>): Promise<RunningParts<'bpbrm'>> {
  const { bus, clock, log, base, stopping, dir } = context;
  const store = new RunStore(join(dir, 'bpbrm.sqlite'));
  const service = new RunService(
    {
      ...{ bus, clock, log, stopping, store, config: context.config },
      bptm: bus.client('bptm', base.host),
      agent: bus.client('ndmpagent', base.host),
      nbjm: bus.client('nbjm'),
    },
    base.host,
  );
  service.takeUp();
  return {
    handlers: service.handlers(),
    stop: async () => {
      service.stop();
      store.close();
    },
  };
}

export const bpbrm = { service: 'bpbrm', config, start } as const;
