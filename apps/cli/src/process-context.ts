// The context of a command that runs as a process: standard streams, the clock, and a connection to the bus that is
// opened when first needed and closed at the end.

import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@tapestry/bus';
import type { Context } from './command.ts';
import type { SystemPlace } from './system-place.ts';
import { processTerminal } from './terminal.ts';

/** What shells call a command that SIGINT ended. */
const INTERRUPTED = 130;

export interface ProcessContext {
  readonly context: Context;
  close(): Promise<void>;
}

export function makeContext(name: string): ProcessContext {
  let opened: Promise<Bus> | undefined;
  let found: Promise<SystemPlace> | undefined;
  const place = (): Promise<SystemPlace> => {
    found ??= import('./system-place.ts').then(({ findSystem }) => findSystem(process.env));
    return found;
  };
  const bus = (): Promise<Bus> => {
    opened ??= place().then(connect);
    return opened;
  };
  const context: Context = {
    name,
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
    bus,
    client: async (service, host) => (await bus()).client(service, host),
    host: async () => (await place()).host,
    user: userName(),
    machine: hostname(),
    cwd: process.cwd(),
    terminal: processTerminal(),
    onInterrupt: (text) => {
      process.removeAllListeners('SIGINT').once('SIGINT', () => {
        process.stderr.write(`\n${text}\n`);
        process.exit(INTERRUPTED);
      });
    },
    nowMs: () => Date.now(),
    sleep: (ms) => sleep(ms),
  };
  return {
    context,
    close: async () => {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}

async function connect(place: SystemPlace): Promise<Bus> {
  const { connectBus } = await import('@tapestry/bus');
  const quiet = { debug: () => {}, warn: () => {}, error: () => {} };
  return connectBus({
    identity: { service: 'cli' },
    url: place.natsUrl,
    password: place.password,
    ...(place.caFile === undefined ? {} : { caFile: place.caFile }),
    log: quiet,
    waitForBus: false,
  });
}

/** Some containers run under a user that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
