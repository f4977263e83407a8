// A PostgreSQL server for one test file: real, on a Unix socket, with nothing synced to disk.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@tapestry/processes';
import { endLeftoverPostgres, type PostgresServer, startPostgres } from '@tapestry/servers';
import { containersAsked, startContainerPostgres } from './containers.ts';

/** What tests use of a server, whether it is a process or a container. */
export type TestPostgres = Pick<
  PostgresServer,
  'port' | 'address' | 'url' | 'stop' | 'kill' | 'restart'
>;

const PREFIX = 'tapestry-pg-';

/**
 * Starts an empty server (about 0.2 s once its template is cached). The superuser is `postgres`, no
 * password; `provision` of @tapestry/servers makes roles with their schema. stop()
 * also removes its files; at the latest it ends with the test process.
 */
export async function startTestPostgres(
  options: { settings?: Record<string, string> } = {},
): Promise<TestPostgres> {
  if (containersAsked()) return startContainerPostgres(options);
  await sweep();
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const server = await startPostgres({ folder, durability: 'scratch', settings: options.settings });
  return {
    ...server,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Ends and removes what a test process that was killed left behind. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const owner = Number(/^tapestry-pg-(\d+)-/.exec(name)?.[1]);
    if (!(owner > 0) || isAlive(owner)) continue;
    const folder = join(tmpdir(), name);
    try {
      await endLeftoverPostgres(folder);
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another user's, or another test removes it right now.
    }
  }
}
