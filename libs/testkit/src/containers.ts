// The servers of integration tests as containers: the same ways to start, kill and restart as processes have. Used where
// TAPESTRY_CONTAINERS=1 asks for it, on the images that deploy/images/build.ts makes (or NATS_IMAGE, POSTGRES_IMAGE).

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { freePort } from '@tapestry/servers';
import type { GenericContainer, StartedTestContainer } from 'testcontainers';
import type { TestNats } from './nats-server.ts';
import type { TestPostgres } from './postgres.ts';

const LABEL = 'tapestry.test';
const HOST = '127.0.0.1';
const START_MS = 180_000;

export const containersAsked = (): boolean => process.env.TAPESTRY_CONTAINERS === '1';

export async function startContainerNats(options: { config?: string }): Promise<TestNats> {
  const port = await freePort();
  const content = [
    'listen: "0.0.0.0:4222"',
    'jetstream { store_dir: "/data", max_mem: 64MB, max_file: 16GB }',
    options.config ?? '',
    '',
  ].join('\n');
  const { container, control } = await startContainer(
    process.env.NATS_IMAGE ?? 'tapestry-nats:2',
    (made, { Wait }) =>
      made
        .withCopyContentToContainer([{ content, target: '/etc/nats.conf' }])
        .withCommand(['nats-server', '-c', '/etc/nats.conf'])
        .withExposedPorts({ container: 4222, host: port })
        .withWaitStrategy(Wait.forListeningPorts()),
  );
  return { port, url: `nats://${HOST}:${container.getMappedPort(4222)}`, ...control };
}

export async function startContainerPostgres(options: {
  settings?: Readonly<Record<string, string>> | undefined;
}): Promise<TestPostgres> {
  const port = await freePort();
  const settings = { max_connections: '200', fsync: 'off', ...options.settings };
  const { control } = await startContainer(
    process.env.POSTGRES_IMAGE ?? 'tapestry-postgres:18',
    (made, { Wait }) =>
      made
        .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: 'trust' })
        .withCommand([
          'postgres',
          ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
        ])
        .withExposedPorts({ container: 5432, host: port })
        .withWaitStrategy(Wait.forSuccessfulCommand('pg_isready -q -h 127.0.0.1 -U postgres')),
  );
  const query = (role: string): string =>
    String(new URLSearchParams({ host: HOST, port: String(port), user: role }));
  return {
    port,
    address: (user = 'postgres', database = 'postgres') => ({ host: HOST, port, user, database }),
    url: (role = 'postgres', database = 'postgres') =>
      `postgresql:///${encodeURIComponent(database)}?${query(role)}`,
    ...control,
  };
}

interface Started {
  readonly container: StartedTestContainer;
  readonly control: Pick<TestNats, 'stop' | 'kill' | 'restart'>;
}

type Library = typeof import('testcontainers');

async function startContainer(
  image: string,
  configure: (container: GenericContainer, library: Library) => GenericContainer,
): Promise<Started> {
  // The library's own janitor is a container that would have to be pulled; the label below does its work.
  process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
  process.env.TESTCONTAINERS_HOST_OVERRIDE = HOST;
  sweepOnce();
  const library = await import('testcontainers');
  const container = await configure(new library.GenericContainer(image), library)
    .withLabels({ [LABEL]: String(process.pid) })
    .withStartupTimeout(START_MS)
    .start();
  const id = container.getId();
  running.add(id);
  const client = await library.getContainerRuntimeClient();
  return {
    container,
    control: {
      stop: async () => {
        await container.stop();
        running.delete(id);
      },
      kill: async () => {
        await client.container.getById(id).kill();
      },
      restart: () => container.restart(),
    },
  };
}

/** Containers of this process that nobody has stopped yet. */
const running = new Set<string>();
let swept = false;

/** Removes what test processes left behind that have ended, and at our own end what we leave. */
function sweepOnce(): void {
  if (swept) return;
  swept = true;
  process.once('exit', () => {
    if (running.size > 0) spawnSync('docker', ['rm', '-f', '-v', ...running], { stdio: 'ignore' });
  });
  const format = `{{.ID}} {{.Label "${LABEL}"}}`;
  const listed = spawnSync(
    'docker',
    ['ps', '-a', '--filter', `label=${LABEL}`, '--format', format],
    {
      encoding: 'utf8',
    },
  );
  const pids = new Set(readdirSync('/proc'));
  const left = (listed.stdout ?? '')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([id, pid]) => id !== '' && !pids.has(pid ?? ''))
    .map(([id]) => id as string);
  if (left.length > 0) spawnSync('docker', ['rm', '-f', '-v', ...left], { stdio: 'ignore' });
}
