// A local PostgreSQL server as our child, reached through a Unix socket in a private folder only.
// The same code runs the product's server (durable) and the tests' servers (nothing is synced).

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import { claimFolder } from './folder-owner.ts';
import { defaultCacheDir, makePrivateFolder, type ServerUser, serverUser } from './folders.ts';
import { endLeftover } from './leftover.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';
import { copyTemplate, initDataFolder, majorOf, SUPERUSER } from './postgres-data.ts';
import {
  endServer,
  killServer,
  type ServerExit,
  type ServerProcess,
  spawnServer,
  waitUntilReady,
} from './server-process.ts';

/** Only part of the socket's file name: no network port is opened. */
const SOCKET_PORT = 5432;
/** A Unix socket's whole path has room for 107 bytes. */
const SOCKET_DIR_BYTES_MAX = 85;
const START_MS = 60_000;
const STOP_STEPS = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
] as const;

export interface PostgresOptions {
  /** Holds `data` and (unless `socketDir` is given) `socket`; made when absent. The server's user must be able to reach it. */
  folder: string;
  socketDir?: string | undefined;
  /** 'durable': fsync on, made by initdb. 'scratch': a cached copy, nothing synced, ends with this process. */
  durability: 'durable' | 'scratch';
  /** The superuser's password; with it every login needs a password (SCRAM), without it none does. */
  passwordFile?: string | undefined;
  /** Further server settings, such as { max_connections: '200' }. */
  settings?: Readonly<Record<string, string>> | undefined;
  cacheDir?: string | undefined;
  onLine?: ((line: string) => void) | undefined;
  /** Called when the server ends although nobody asked it to. */
  onUnexpectedExit?: ((exit: ServerExit) => void) | undefined;
}

/** How a client reaches a database, but for the password. `host` is the socket's folder. */
export interface Address {
  host: string;
  port: number;
  user: string;
  database: string;
}

export interface PostgresServer {
  readonly socketDir: string;
  readonly port: number;
  readonly dataDir: string;
  /** Of the running server. */
  pid(): number;
  /** Defaults: superuser, database `postgres`. */
  address(role?: string, database?: string): Address;
  /** The same as a connection URL (no password in it). */
  url(role?: string, database?: string): string;
  /** Ends sessions and writes everything down; resolves when the process is gone. */
  stop(): Promise<void>;
  /** SIGKILL to the server, as a crash would; resolves when it and its workers are gone. */
  kill(): Promise<void>;
  /** Starts again on the same folder and socket, after stop, kill or a crash; stops first when it runs. */
  restart(): Promise<void>;
}

/**
 * Starts a server on the folder and waits until it takes connections. A server that a crash left on the
 * same folder is ended first; one that another live process owns is refused (daemonAlreadyRunning).
 * @throws StatusError databaseError when it does not start (with its last words), or when the folder
 *   was made by another major version
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const user = serverUser();
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const binaries = await postgresBinaries(user, cacheDir);
  const folder = resolve(options.folder);
  const dataDir = join(folder, 'data');
  const socketDir = shortSocketFolder(resolve(options.socketDir ?? join(folder, 'socket')));
  makePrivateFolder(folder, user);
  makePrivateFolder(socketDir, user);
  claimFolder(folder);
  await prepareData(dataDir, { ...options, cacheDir }, binaries, user);
  await endLeftoverPostgres(folder);

  const launch = () => launchServer({ options, dataDir, socketDir, binaries, user });
  let server = await launch();
  let wanted = true;
  const watch = (watched: ServerProcess) =>
    void watched.exited.then((exit) => {
      if (wanted && watched === server) options.onUnexpectedExit?.(exit);
    });
  watch(server);
  const stop = async () => {
    wanted = false;
    await endServer(server, STOP_STEPS);
  };
  return {
    socketDir,
    port: SOCKET_PORT,
    dataDir,
    pid: () => server.pid,
    address: (user = SUPERUSER, database = 'postgres') => ({
      host: socketDir,
      port: SOCKET_PORT,
      user,
      database,
    }),
    url: (role = SUPERUSER, database = 'postgres') =>
      `postgresql:///${encodeURIComponent(database)}?host=${encodeURIComponent(socketDir)}` +
      `&port=${SOCKET_PORT}&user=${encodeURIComponent(role)}`,
    stop,
    kill: async () => {
      wanted = false;
      await killServer(server);
    },
    restart: async () => {
      await stop();
      server = await launch();
      wanted = true;
      watch(server);
    },
  };
}

/** The folder itself, or where its path is too long for a socket, a fixed place in the temporary folder. */
function shortSocketFolder(folder: string): string {
  if (Buffer.byteLength(folder) <= SOCKET_DIR_BYTES_MAX) return folder;
  const tag = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  return join(tmpdir(), `tapestry-socket-${process.getuid?.() ?? 0}-${tag}`);
}

/** Ends the server that a crash left running on the folder; the pid that was ended, or undefined. */
export function endLeftoverPostgres(folder: string): Promise<number | undefined> {
  const dataDir = join(folder, 'data');
  const pidFile = join(dataDir, 'postmaster.pid');
  return endLeftover({ pidFile, folder: dataDir, politeSignal: 'SIGINT', politeMs: 20_000 });
}

async function prepareData(
  dataDir: string,
  options: PostgresOptions & { cacheDir: string },
  binaries: PostgresBinaries,
  user: ServerUser | undefined,
): Promise<void> {
  const major = majorOf(dataDir);
  if (major === undefined) {
    const { passwordFile, cacheDir } = options;
    if (options.durability === 'durable') {
      await initDataFolder(dataDir, { binaries, user, passwordFile });
    } else await copyTemplate(dataDir, { binaries, user, cacheDir });
  } else if (major !== binaries.major) {
    throw new StatusError(
      'databaseError',
      `${dataDir} was made by PostgreSQL ${major}, but version ${binaries.major} is installed: run the ` +
        'release that made it, or start this one with a new state folder',
      { found: major, installed: binaries.major },
    );
  }
}

interface Launch {
  options: PostgresOptions;
  dataDir: string;
  socketDir: string;
  binaries: PostgresBinaries;
  user: ServerUser | undefined;
}

/** After a SIGKILL the old workers need a moment to go; the server refuses to start until they have. */
async function launchServer(launch: Launch): Promise<ServerProcess> {
  const endAt = performance.now() + START_MS;
  for (;;) {
    const server = await spawnServer(serverCommand(launch));
    const leftMs = endAt - performance.now();
    if (await waitUntilReady(server, () => isReady(launch.dataDir, server.pid), leftMs)) {
      return server;
    }
    await endServer(server, [{ signal: 'SIGQUIT', waitMs: 2_000 }]);
    const busy = /shared memory block|already in use|lock file/.test(server.tail());
    if (!busy || performance.now() > endAt - 1_000) {
      throw new StatusError(
        'databaseError',
        `PostgreSQL did not start on ${launch.dataDir}: ${server.tail()}`,
      );
    }
    await sleep(50);
  }
}

function serverCommand({ options, dataDir, socketDir, binaries, user }: Launch) {
  const settings: Record<string, string> = {
    listen_addresses: '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    port: String(SOCKET_PORT),
    max_connections: '200',
    shared_buffers: options.durability === 'durable' ? '64MB' : '16MB',
    timezone: 'UTC',
    // Commits still wait for the write to the kernel: what is committed survives a kill of the server.
    ...(options.durability === 'scratch' ? { fsync: 'off', full_page_writes: 'off' } : {}),
    ...options.settings,
  };
  return {
    command: binaries.postgres,
    args: [
      '-D',
      dataDir,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    cwd: '/',
    env: binaries.env,
    user,
    onLine: options.onLine,
    endWithUs: options.durability === 'scratch',
  };
}

/** The server itself writes its state into the eighth line of its pid file. */
function isReady(dataDir: string, pid: number): boolean {
  let lines: string[];
  try {
    lines = readFileSync(join(dataDir, 'postmaster.pid'), 'latin1').split('\n');
  } catch {
    // Not written yet, or just removed by a server that ends.
    return false;
  }
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}
