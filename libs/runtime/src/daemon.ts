// Runs a daemon: configuration, log, health, metrics, bus, handlers, signals and drain, the same for all of them.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Bus, connectBus, type Handlers, type Server } from '@tapestry/bus';
import { type Identity, SERVICES, type ServiceName } from '@tapestry/contracts';
import { asStatusError, exitCode } from '@tapestry/status';
import type { z } from 'zod';
import { type Clock, systemClock } from './clock.ts';
import {
  type BaseConfig,
  type ConfigSource,
  type ParsedConfig,
  parseConfig,
  readSecret,
} from './config.ts';
import { flushDetails } from './detail.ts';
import { type Health, type HealthRecord, makeHealth } from './health.ts';
import { startHeartbeat } from './heartbeat.ts';
import { type FastifyInstance, makeHttp } from './http.ts';
import { type Logger, makeLog } from './log.ts';
import { type Metrics, makeMetrics } from './metrics.ts';
import { startTracing } from './trace.ts';

export interface DaemonContext<C> {
  readonly config: Readonly<C>;
  readonly base: BaseConfig;
  readonly identity: Identity;
  readonly log: Logger;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly http: FastifyInstance;
  /** Aborts when the daemon is told to stop. */
  readonly stopping: AbortSignal;
  /** `${stateDir}/<service>`, made with mode 0700. */
  readonly dir: string;
}

export interface RunningParts<S extends string> {
  readonly handlers?: S extends ServiceName ? Handlers<S> : never;
  stop?(): Promise<void>;
}

export interface DaemonDefinition<S extends string, Z extends z.ZodType> {
  readonly service: S;
  readonly config: Z;
  /** Must not wait for other daemons: they may start later. */
  start(context: DaemonContext<z.infer<Z>>): Promise<RunningParts<S>>;
}

export interface RunningDaemon {
  readonly httpUrl: string;
  stop(): Promise<void>;
}

const STOP_MAX_MS = 15_000;

/** The whole life of the process. Resolves once the daemon runs; exits on its own at a signal. */
export async function runDaemon<S extends string, Z extends z.ZodType>(
  definition: DaemonDefinition<S, Z>,
): Promise<void> {
  let parsed: ParsedConfig<z.infer<Z>>;
  try {
    parsed = parseConfig(definition.service, definition.config, {
      argv: process.argv.slice(2),
      env: process.env,
    });
  } catch (error) {
    const failure = asStatusError(error, 'invalidParameter');
    process.stderr.write(`${definition.service}: ${failure.detail}\n`);
    process.exit(exitCode(failure.status));
  }
  if (parsed.mode !== 'run') return tell(definition.service, parsed);
  const log = makeLog(
    definition.service,
    hostOf(definition.service, parsed.base),
    parsed.base.logLevel,
  );
  dieLoudly(log);
  try {
    const daemon = await startParsed(definition, parsed, log);
    stopOnSignals(daemon, log);
  } catch (error) {
    log.fatal({ err: error }, `${definition.service} could not start: ${(error as Error).message}`);
    process.exit(exitCode(asStatusError(error).status));
  }
}

/** Runs a daemon inside this process: what tests do. */
export async function startDaemon<S extends string, Z extends z.ZodType>(
  definition: DaemonDefinition<S, Z>,
  source: ConfigSource,
): Promise<RunningDaemon> {
  const parsed = parseConfig(definition.service, definition.config, source);
  const log = makeLog(
    definition.service,
    hostOf(definition.service, parsed.base),
    parsed.base.logLevel,
  );
  return startParsed(definition, parsed, log);
}

async function startParsed<S extends string, Z extends z.ZodType>(
  definition: DaemonDefinition<S, Z>,
  parsed: ParsedConfig<z.infer<Z>>,
  log: Logger,
): Promise<RunningDaemon> {
  const { base, config } = parsed;
  const { service } = definition;
  startTracing();
  const host = hostOf(service, base);
  const identity: Identity = host === undefined ? { service } : { service, host };
  const metrics = makeMetrics(service, host);
  const health = makeHealth((state) => log.info({ ...state }, state.ready ? 'ready' : 'not ready'));
  const http = makeHttp(health, metrics);
  const bus = await openBus(identity, base, log, health, metrics);
  const stopping = new AbortController();
  const dir = join(base.stateDir, service);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const context: DaemonContext<z.infer<Z>> = {
    ...{ config, base, identity, log, bus, metrics, http, dir },
    clock: systemClock,
    health: health.own,
    stopping: stopping.signal,
  };
  const closeAll = async (parts?: RunningParts<S>, server?: Server): Promise<void> => {
    stopping.abort();
    await server?.stop();
    await parts?.stop?.();
    await flushDetails(bus, 1_000);
    await http.close();
    await bus.close();
  };
  let parts: RunningParts<S> | undefined;
  let server: Server | undefined;
  try {
    parts = await definition.start(context);
    // Before the first call is taken: a daemon whose port is taken ends, and what it answered would be lost.
    const httpUrl = await http.listen({ host: base.httpHost, port: base.httpPort });
    if (parts.handlers !== undefined) {
      server = await bus.serve(service as ServiceName, parts.handlers as never);
    }
    const heartbeat = startHeartbeat(bus, identity, health);
    health.started();
    log.info({ http: httpUrl }, 'started');
    return {
      httpUrl,
      stop: async () => {
        heartbeat.stop();
        await closeAll(parts, server);
      },
    };
  } catch (error) {
    await closeAll(parts, server).catch(() => undefined);
    throw error;
  }
}

function openBus(
  identity: Identity,
  base: BaseConfig,
  log: Logger,
  health: HealthRecord,
  metrics: Metrics,
): Promise<Bus> {
  const calls = metrics.histogram(
    'call_seconds',
    'Time to answer a call',
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    ['method', 'caller', 'status'],
  );
  return connectBus({
    identity,
    url: base.natsUrl,
    ...(base.natsPasswordFile === undefined ? {} : { password: readSecret(base.natsPasswordFile) }),
    ...(base.natsCaFile === undefined ? {} : { caFile: base.natsCaFile }),
    log,
    onState: (connected) => health.busChanged(connected),
    metrics: {
      observe: (method, caller, status, elapsedMs) =>
        calls.observe({ method, caller, status: String(status) }, elapsedMs / 1000),
    },
  });
}

function hostOf(service: string, base: BaseConfig): string | undefined {
  const table = SERVICES as Record<string, { perHost: boolean }>;
  return table[service]?.perHost === true ? base.host : undefined;
}

function tell<C>(service: string, { mode, base, config }: ParsedConfig<C>): void {
  if (mode === 'print')
    process.stdout.write(`${JSON.stringify({ base, daemon: config }, null, 2)}\n`);
  if (mode === 'check') process.stdout.write(`${service}: the configuration is good\n`);
  if (mode === 'help') {
    process.stdout.write(
      `${service} [--config FILE] [--check-config] [--print-config]\n\n` +
        'Settings come from defaults, then the file, then the environment: TAPESTRY_… for what all daemons\n' +
        `share, ${service.toUpperCase()}_… for its own. --print-config shows each with its value.\n`,
    );
  }
}

/** A broken invariant must not be lived with: the supervisor starts a fresh process. */
function dieLoudly(log: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, `${event}: ending`);
      process.exit(70);
    });
  }
}

function stopOnSignals(daemon: RunningDaemon, log: Logger): void {
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) return;
      asked = true;
      log.info({ signal }, 'stopping');
      setTimeout(() => process.exit(1), STOP_MAX_MS).unref();
      daemon.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'the stop was not clean');
          process.exit(1);
        },
      );
    });
  }
}
