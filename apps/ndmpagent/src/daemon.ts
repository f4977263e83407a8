// The definition of ndmpagent: what main.ts runs, and what tests run in their own process.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonContext, RunningParts } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { z } from 'zod';
import { SessionStore } from './adapters/session-store.ts';
import { type Config, config } from './config.ts';
import { type Filers, filersSchema, unknownTreatments } from './core/quirks.ts';
import { AgentService } from './service.ts';

async function start(context: DaemonContext<Config>): Promise<RunningParts<'ndmpagent'>> {
  const { bus, clock, log, base, stopping, dir } = context;
  const { host } = base;
  const workDir = join(dir, 'work');
  mkdirSync(workDir, { recursive: true, mode: 0o700 });
  const store = new SessionStore(join(dir, 'ndmpagent.sqlite'));
  const { traceDir, traceMaxBytes: bytesMax } = context.config;
  const trace = { dir: traceDir, bytesMax, nowMs: () => clock.nowMs(), log };
  const service = new AgentService(
    {
      ...{ bus, clock, log, host, stopping, workDir, trace, config: context.config },
      filers: await readFilers(context.config),
      directRefusals: store,
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

/** What the module says stands before what the file says. Errors: 144 in words, before the daemon takes any work. */
async function readFilers({ filersFile, quirksModule }: Config): Promise<Filers> {
  const file = filersFile === '' ? {} : readJson(filersFile);
  const module =
    quirksModule === '' ? {} : ((await import(quirksModule)) as { filers: unknown }).filers;
  const [first, second] = [module, file].map((each, i) => {
    const parsed = filersSchema.safeParse(each);
    if (parsed.success) return parsed.data;
    const where = i === 0 ? quirksModule : filersFile;
    throw new StatusError('invalidParameter', `${where}: ${z.prettifyError(parsed.error)}`);
  });
  const filers = {
    rows: [...first!.rows, ...second!.rows],
    hosts: { ...second!.hosts, ...first!.hosts },
  };
  const [unknown] = unknownTreatments(filers);
  if (unknown !== undefined) throw new StatusError('invalidParameter', `treatAs of ${unknown}`);
  return filers;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const detail = `the file about filers ${file} cannot be read: ${(cause as Error).message}`;
    throw new StatusError('invalidParameter', detail, {}, { cause });
  }
}

export const ndmpagent = { service: 'ndmpagent', config, start } as const;
