// The definition of ndmpagent: what main.ts runs, and what tests run in their own process.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonContext, RunningParts } from '@tapestry/runtime';
import { SessionStore } from './adapters/session-store.ts';
import { type Config, config } from './config.ts';
import type { FilerQuirks } from './core/quirks.ts';
import { AgentService } from './service.ts';

async function start(context: DaemonContext<Config>): Promise<RunningParts<'ndmpagent'>> {
  const { bus, clock, log, base, stopping, dir } = context;
  const { host } = base;
  const workDir = join(dir, 'work');
  mkdirSync(workDir, { recursive: true, mode: 0o700 });
  const store = new SessionStore(join(dir, 'ndmpagent.sqlite'));
  const service = new AgentService(
    {
      ...{ bus, clock, log, host, stopping, workDir, config: context.config },
      quirks: await moreQuirks(context.config.quirksModule),
      nbemm: bus.client('nbemm'),
      bpdbm: bus.client('bpdbm'),
      bptm: bus.client('bptm', host),
    },
    store,
  );
  service.takeUp();
  return {
    handlers: service.handlers(),
    stop: async () => {
      await service.stop();
      store.close();
    },
  };
}

async function moreQuirks(moduleName: string): Promise<readonly FilerQuirks[]> {
  if (moduleName === '') return [];
  return ((await import(moduleName)) as { quirks: readonly FilerQuirks[] }).quirks;
}

export const ndmpagent = { service: 'ndmpagent', config, start } as const;
