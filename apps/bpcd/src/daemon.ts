// The definition of bpcd: what main.ts runs, and what tests run in their own process.

import { createPublicKey } from 'node:crypto';
import { type DaemonContext, type RunningParts, readSecret } from '@tapestry/runtime';
import { type Config, config } from './config.ts';
import { makeHandlers, registerHost } from './service.ts';

async function start(context: DaemonContext<Config>): Promise<RunningParts<'bpcd'>> {
  const { bus, clock, log, base, stopping } = context;
  const ticketKey = createPublicKey(readSecret(context.config.ticketPublicKeyFile));
  const parts = { bus, clock, log, host: base.host, ticketKey };
  void registerHost(parts, stopping);
  return { handlers: makeHandlers(parts) };
}

export const bpcd = { service: 'bpcd', config, start } as const;
