// Runs one daemon inside the test's process, against the test's bus and a folder of its own.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Identity, SERVICES } from '@tapestry/contracts';
import { type DaemonDefinition, type RunningDaemon, startDaemon } from '@tapestry/runtime';
import type { z } from 'zod';
import type { TestBus } from './test-bus.ts';

export interface TestDaemonOptions {
  readonly host?: string;
  /** More environment: NBRB_… settings, TAPESTRY_DATABASE_URL, … */
  readonly env?: Readonly<Record<string, string>>;
  /** Kept between two starts when given; else made for this start and removed by stop(). */
  readonly stateDir?: string;
}

export async function startTestDaemon<S extends string, Z extends z.ZodType>(
  definition: DaemonDefinition<S, Z>,
  bus: TestBus,
  options: TestDaemonOptions = {},
): Promise<RunningDaemon & { readonly stateDir: string }> {
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), 'tapestry-test-'));
  const host = options.host ?? 'media1';
  const perHost = (SERVICES as Record<string, { perHost: boolean }>)[definition.service]?.perHost;
  const identity: Identity = perHost
    ? { service: definition.service, host }
    : { service: definition.service };
  const passwordFile = join(stateDir, `${definition.service}.bus-password`);
  writeFileSync(passwordFile, bus.passwordOf(identity), { mode: 0o600 });
  const running = await startDaemon(definition, {
    argv: [],
    env: {
      TAPESTRY_NATS_URL: bus.url,
      TAPESTRY_NATS_PASSWORD_FILE: passwordFile,
      TAPESTRY_HOST: host,
      TAPESTRY_STATE_DIR: stateDir,
      TAPESTRY_LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
      ...options.env,
    },
  });
  return {
    httpUrl: running.httpUrl,
    stateDir,
    stop: async () => {
      await running.stop();
      if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
    },
  };
}
