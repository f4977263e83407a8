// Which daemons make a system on one machine, and what each is told.

import { join } from 'node:path';
import { type Identity, SERVICES, type ServiceName } from '@tapestry/contracts';
import type { ChildPlan } from './child.ts';
import { type Layout, ROOT } from './layout.ts';
import type { Secrets } from './secrets.ts';

/** Daemons with a schema of their own in the database. */
export const DATABASE_ROLES = ['nbpem', 'nbjm', 'nbrb', 'nbemm', 'bpjobd', 'bpdbm'] as const;

export const DAEMONS = [...(Object.keys(SERVICES) as ServiceName[]), 'console'] as const;
export type DaemonName = (typeof DAEMONS)[number];

export function identityOf(name: DaemonName, host: string): Identity {
  const perHost = name !== 'console' && SERVICES[name].perHost;
  return perHost ? { service: name, host } : { service: name };
}

/**
 * Halves the start and spares a third of the memory: with the cache Node neither strips types nor parses again, and
 * a small nursery and few malloc arenas suit processes that mostly wait.
 */
const LEAN = {
  NODE_COMPILE_CACHE: join(ROOT, '.cache/node-compile'),
  NODE_OPTIONS: '--max-semi-space-size=1',
  MALLOC_ARENA_MAX: '2',
};

export interface PlanInput {
  readonly layout: Layout;
  readonly secrets: Secrets;
  readonly host: string;
  readonly natsUrl: string;
  readonly databaseUrl: (role: string) => { readonly url: string; readonly passwordFile: string };
  readonly portOf: (name: string) => number;
  readonly httpHost: string;
  readonly logLevel: string;
  /** More environment for single daemons: what tests and `npm run dev` turn. */
  readonly env: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function planDaemon(name: DaemonName, input: PlanInput): ChildPlan {
  const { layout, secrets, host } = input;
  const port = input.portOf(name);
  const role = (DATABASE_ROLES as readonly string[]).includes(name);
  const database = role ? input.databaseUrl(name) : undefined;
  return {
    name,
    args: [join(ROOT, 'apps', name, 'src/main.ts')],
    logFile: join(layout.logDir, `${name}.log`),
    httpUrl: `http://${input.httpHost}:${port}`,
    env: {
      ...inherited(),
      ...LEAN,
      TAPESTRY_NATS_URL: input.natsUrl,
      TAPESTRY_NATS_PASSWORD_FILE: secrets.busPasswordFile(identityOf(name, host)),
      TAPESTRY_HOST: host,
      TAPESTRY_HTTP_HOST: input.httpHost,
      TAPESTRY_HTTP_PORT: String(port),
      TAPESTRY_STATE_DIR: join(layout.stateDir, 'daemons'),
      TAPESTRY_LOG_LEVEL: input.logLevel,
      ...(database === undefined
        ? {}
        : {
            TAPESTRY_DATABASE_URL: database.url,
            TAPESTRY_DATABASE_PASSWORD_FILE: database.passwordFile,
          }),
      ...ownSettings(name, secrets),
      ...input.env[name],
    },
  };
}

function ownSettings(name: DaemonName, secrets: Secrets): Record<string, string> {
  if (name === 'nbjm') return { NBJM_TICKET_KEY_FILE: secrets.ticketKeyFile };
  if (name === 'bpcd') return { BPCD_TICKET_PUBLIC_KEY_FILE: secrets.ticketPublicKeyFile };
  if (name === 'nbemm') return { NBEMM_SEAL_KEY_FILE: secrets.sealKeyFile };
  if (name === 'console') return { CONSOLE_PASSWORD_FILE: secrets.consolePasswordFile };
  return {};
}

/** Nothing else of the caller's environment reaches a daemon. */
function inherited(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'TZ', 'LANG', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
