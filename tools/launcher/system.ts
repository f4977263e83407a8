// A whole system on this machine: PostgreSQL, the bus and every daemon, started in order and stopped in order.
// The supervisor process, the tests and the benchmarks run it in the same way.

import { hostname } from 'node:os';
import { join } from 'node:path';
import { provisionStreams } from '@tapestry/bus';
import { hostToken } from '@tapestry/contracts';
import { stillLives } from '@tapestry/processes';
import {
  freePort,
  isFreePort,
  type NatsServer,
  type StatePostgres,
  startNats,
  startStatePostgres,
} from '@tapestry/servers';
import { StatusError } from '@tapestry/status';
import { SupervisedChild } from './child.ts';
import { prepareKeyStore } from './key-store.ts';
import { type Layout, layoutOf, readJson, type SystemRecord, writeJson } from './layout.ts';
import { DAEMONS, DATABASE_ROLES, type DaemonName, identityOf, planDaemon } from './plans.ts';
import { ensureSecrets, type Secrets } from './secrets.ts';

export interface SystemOptions {
  readonly stateDir: string;
  /** Host id of this machine's media server daemons. */
  readonly host?: string;
  /** 0 or absent: any free port, kept in the state folder. */
  readonly consolePort?: number;
  readonly logLevel?: string;
  /** More environment for single daemons. */
  readonly env?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** A bus that runs already (NATS_URL): none is started. It must have JetStream, and no users or ours. */
  readonly natsUrl?: string | undefined;
  /** Daemons that the caller runs himself. */
  readonly without?: readonly DaemonName[];
  /** Told about each stage, for people. */
  readonly onStage?: (text: string) => void;
}

export interface RunningSystem {
  readonly layout: Layout;
  readonly host: string;
  readonly natsUrl: string;
  readonly consoleUrl: string;
  /** Undefined when the bus is somebody else's. */
  readonly nats: NatsServer | undefined;
  readonly postgres: StatePostgres;
  child(name: DaemonName): SupervisedChild;
  /** Resolves when every daemon answers ready. Errors: 41 naming those that do not, and why. */
  waitReady(timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const HTTP_HOST = '127.0.0.1';
const READY_MS = 60_000;

export async function startSystem(options: SystemOptions): Promise<RunningSystem> {
  const layout = layoutOf(options.stateDir);
  const host = options.host ?? hostToken(hostname());
  const stage = options.onStage ?? (() => undefined);
  await endSurvivors(layout);
  const identities = [...DAEMONS.map((name) => identityOf(name, host)), { service: 'cli' }];
  const secrets = ensureSecrets(layout.secretsDir, identities);
  const ports = await choosePorts(layout, options.consolePort ?? 0);
  const { postgres, nats } = await startServers(layout, {
    natsUrl: options.natsUrl,
    natsPort: ports.nats!,
    secrets,
  });
  const natsUrl = nats?.url ?? options.natsUrl ?? '';
  stage(`PostgreSQL and the bus (${natsUrl}) run`);
  const children = new Map<DaemonName, SupervisedChild>();
  const remember = (): void =>
    writeJson(layout.systemFile, {
      natsUrl,
      host,
      consoleUrl: `http://${HTTP_HOST}:${ports.console}`,
      processes: [...children.values()].flatMap((child) => child.record() ?? []),
    } satisfies SystemRecord);
  for (const name of DAEMONS) {
    const plan = planDaemon(name, {
      ...{ layout, secrets, host, natsUrl, httpHost: HTTP_HOST },
      portOf: (daemon) => ports[daemon]!,
      databaseUrl: (role) => databaseUrl(postgres, role),
      logLevel: options.logLevel ?? 'info',
      env: options.env ?? {},
    });
    children.set(name, new SupervisedChild(plan, remember));
  }
  const wanted = DAEMONS.filter((name) => !(options.without ?? []).includes(name));
  for (const name of wanted) children.get(name)!.start();
  stage(`${wanted.length} daemons started`);
  return {
    ...{ layout, host, nats, natsUrl, postgres },
    consoleUrl: `http://${HTTP_HOST}:${ports.console}`,
    child: (name) => children.get(name)!,
    waitReady: (timeoutMs = READY_MS) =>
      waitReady(
        wanted.map((name) => children.get(name)!),
        timeoutMs,
      ),
    stop: async () => {
      await Promise.all([...children.values()].map((child) => child.stop()));
      await nats?.stop();
      await postgres.stop();
      writeJson(layout.systemFile, { natsUrl: '', host, consoleUrl: '', processes: [] });
    },
  };
}

interface Servers {
  readonly postgres: StatePostgres;
  readonly nats: NatsServer | undefined;
}

/** The bus with its streams, the database and the key store: all of them, or none is left running. */
async function startServers(
  layout: Layout,
  options: { natsUrl: string | undefined; natsPort: number; secrets: Secrets },
): Promise<Servers> {
  const { stateDir } = layout;
  const { secrets, natsUrl } = options;
  const natsFolder = join(stateDir, 'nats');
  const starting = [
    startStatePostgres({ stateDir, database: 'tapestry', roles: DATABASE_ROLES }),
    natsUrl === undefined
      ? startNats({ folder: natsFolder, port: options.natsPort, config: secrets.busConfig })
      : Promise.resolve(undefined),
  ] as const;
  const keyStore = { stateDir: join(stateDir, 'daemons'), marker: join(stateDir, 'nbkms.json') };
  try {
    const [postgres, nats] = await Promise.all([...starting, prepareKeyStore(keyStore)]);
    const url = nats?.url ?? natsUrl ?? '';
    await provisionStreams({ url, password: secrets.provisionPassword });
    return { postgres, nats };
  } catch (error) {
    for (const started of await Promise.allSettled(starting)) {
      if (started.status === 'fulfilled') await started.value?.stop().catch(() => undefined);
    }
    throw error;
  }
}

function databaseUrl(postgres: StatePostgres, role: string): { url: string; passwordFile: string } {
  const { host, port, user, database, passwordFile } = postgres.roleAddress(role);
  const query = new URLSearchParams({ host, port: String(port) });
  return { url: `postgres://${user}@localhost/${database}?${query}`, passwordFile };
}

/** Daemons of a supervisor that was killed: they would hold ports and leases that the new ones need. */
async function endSurvivors(layout: Layout): Promise<void> {
  const survivors = (readJson<SystemRecord>(layout.systemFile)?.processes ?? []).filter(stillLives);
  for (const { pid } of survivors) process.kill(pid, 'SIGTERM');
  const endMs = Date.now() + 10_000;
  while (survivors.some(stillLives) && Date.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const survivor of survivors.filter(stillLives)) process.kill(survivor.pid, 'SIGKILL');
}

/** A free port that is none of these: none of them is listened on yet. */
async function another(taken: Readonly<Record<string, number>>): Promise<number> {
  let port = await freePort();
  while (Object.values(taken).includes(port)) port = await freePort();
  return port;
}

/** Ports of the last start are kept where they are still free. */
async function choosePorts(layout: Layout, consolePort: number): Promise<Record<string, number>> {
  const known = readJson<Record<string, number>>(layout.portsFile) ?? {};
  const ports: Record<string, number> = {};
  for (const name of ['nats', ...DAEMONS]) {
    const asked = name === 'console' && consolePort !== 0 ? consolePort : known[name];
    ports[name] = asked !== undefined && (await isFreePort(asked)) ? asked : await another(ports);
    if (name === 'console' && consolePort !== 0 && ports[name] !== consolePort) {
      throw new StatusError('systemError', `port ${consolePort} for the console is in use`);
    }
  }
  writeJson(layout.portsFile, ports);
  return ports;
}

async function waitReady(children: readonly SupervisedChild[], timeoutMs: number): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  let waiting = [...children];
  let reasons: string[] = [];
  while (waiting.length > 0) {
    const states = await Promise.all(waiting.map(askReady));
    reasons = states.flatMap((state, i) =>
      state === 'ready' ? [] : `${waiting[i]!.plan.name}: ${state}`,
    );
    waiting = waiting.filter((_child, i) => states[i] !== 'ready');
    if (waiting.length === 0) return;
    if (Date.now() > endMs) {
      throw new StatusError(
        'connectTimedOut',
        `not ready after ${Math.round(timeoutMs / 1000)} s: ${reasons.join('; ')} (the logs say more)`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function askReady(child: SupervisedChild): Promise<string> {
  try {
    const answer = await fetch(`${child.plan.httpUrl}/readyz`, {
      signal: AbortSignal.timeout(2_000),
    });
    const state = (await answer.json()) as { ready: boolean; reason: string; pid?: number };
    // Another system on this machine may have taken the port, and be ready itself.
    if (state.pid !== child.pid) return 'another process answers on its port';
    return state.ready ? 'ready' : state.reason;
  } catch {
    return child.pid === undefined ? 'has ended' : 'does not answer yet';
  }
}
