// Puts the console together from its parts; nothing else constructs them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonContext, RunningParts } from '@tapestry/runtime';
import { startFeed } from './adapters/event-feed.ts';
import { passwordFile } from './adapters/password-file.ts';
import { addApi } from './api.ts';
import { type Config, configSchema } from './config.ts';
import { addPage } from './page-files.ts';

const HOUR_MS = 3_600_000;
const SESSIONS_MAX = 1_000;

export const definition = {
  service: 'console' as const,
  config: configSchema,
  start: startConsole,
};

async function startConsole(context: DaemonContext<Config>): Promise<RunningParts<'console'>> {
  const { bus, clock, config, dir, http, log, metrics } = context;
  const passwords = config.passwordFile ?? join(dir, 'passwords');
  if (!existsSync(passwords)) {
    log.warn({ path: passwords }, 'nobody can log in: there is no password file');
  }
  const feed = await startFeed({ bus, clock });
  await addApi(http, {
    ...{ bus, feed, clock, log },
    passwords: passwordFile(passwords),
    limits: { lifeMs: config.sessionHours * HOUR_MS, sessionsMax: SESSIONS_MAX },
    secureCookie: config.secureCookie,
  });
  await addPage(http, config.pageDir);
  const pages = metrics.gauge('console_open_pages', 'Pages with a live stream');
  const count = setInterval(() => pages.set(feed.readers()), 5_000);
  count.unref();
  return {
    stop: async () => {
      clearInterval(count);
      await feed.stop();
    },
  };
}
