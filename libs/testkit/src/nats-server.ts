// A nats-server for one test file: real, with JetStream, on a free port of loopback.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@tapestry/processes';
import { endLeftoverNats, type NatsServer, startNats } from '@tapestry/servers';
import { containersAsked, startContainerNats } from './containers.ts';

/** What tests use of a server, whether it is a process or a container. */
export type TestNats = Pick<NatsServer, 'port' | 'url' | 'stop' | 'kill' | 'restart'>;

/**
 * Starts an empty server (about 30 ms). stop() also removes its files; at the latest it ends with the test
 * process. restart() keeps port and streams.
 * @param options.config users and permissions, in nats-server's own language
 */
export async function startTestNats(options: { config?: string } = {}): Promise<TestNats> {
  if (containersAsked()) return startContainerNats(options);
  await sweep();
  const folder = mkdtempSync(join(tmpdir(), `tapestry-nats-${process.pid}-`));
  const server = await startNats({ folder, config: options.config, endWithUs: true });
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
    const owner = Number(/^tapestry-nats-(\d+)-/.exec(name)?.[1]);
    if (!(owner > 0) || isAlive(owner)) continue;
    try {
      await endLeftoverNats(join(tmpdir(), name));
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Another user's, or another test removes it right now.
    }
  }
}
