// A local nats-server with JetStream as our child, on loopback only. The same code runs the product's bus
// on one machine and the tests' buses.

import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import { claimFolder } from './folder-owner.ts';
import { defaultCacheDir } from './folders.ts';
import { endLeftover } from './leftover.ts';
import {
  endServer,
  killServer,
  type ServerExit,
  type ServerProcess,
  spawnServer,
  waitUntilReady,
} from './server-process.ts';

const HOST = '127.0.0.1';
const START_MS = 30_000;
const STOP_STEPS = [{ signal: 'SIGTERM', waitMs: 10_000 }] as const;

export interface NatsOptions {
  /** Holds the configuration (mode 600: it may name passwords), the pid file and JetStream's store; made when absent. */
  folder: string;
  /** Absent: a free one, which a restart keeps. */
  port?: number | undefined;
  /** Further configuration in nats-server's own language: users, accounts, tls. Not: listen, jetstream. */
  config?: string | undefined;
  /** JetStream's limit on disk. */
  storeSizeMaxBytes?: number | undefined;
  /** The program; absent: the one that setup obtained, or the host's. */
  program?: string | undefined;
  cacheDir?: string | undefined;
  /** End the server when this process exits. */
  endWithUs?: boolean | undefined;
  onLine?: ((line: string) => void) | undefined;
  /** Called when the server ends although nobody asked it to. */
  onUnexpectedExit?: ((exit: ServerExit) => void) | undefined;
}

export interface NatsServer {
  readonly port: number;
  /** nats://127.0.0.1:<port>, no credentials in it. */
  readonly url: string;
  /** Of the running server. */
  pid(): number;
  stop(): Promise<void>;
  /** SIGKILL, as a crash would; what JetStream acknowledged is on disk as far as the kernel has it. */
  kill(): Promise<void>;
  /** Starts again with the same store and port; stops first when it runs. */
  restart(): Promise<void>;
  /**
   * Replaces the further configuration while clients stay connected.
   * @throws StatusError invalidParameter when the server refuses it; the old one stays in force
   */
  reload(config: string): Promise<void>;
}

/** The nats-server program: what setup put into the cache, otherwise where hosts install it. */
export function findNatsServer(cacheDir = defaultCacheDir()): string {
  const folders = [join(cacheDir, 'nats-server'), '/usr/local/bin', '/usr/sbin', '/usr/bin'];
  const found = folders.map((folder) => join(folder, 'nats-server')).find(isExecutable);
  if (found !== undefined) return found;
  throw new StatusError(
    'systemError',
    'there is no nats-server here; run "npm run setup", or set the bus URL to a running server',
  );
}

/**
 * Starts a server on the folder and waits until it answers. A server that a crash left on the same folder
 * is ended first; one that another live process owns is refused.
 * @throws StatusError systemError when it does not start, with its last words; daemonAlreadyRunning
 */
export async function startNats(given: NatsOptions): Promise<NatsServer> {
  const folder = resolve(given.folder);
  const options = { ...given, folder };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  claimFolder(folder);
  await endLeftoverNats(folder);
  const program = options.program ?? findNatsServer(options.cacheDir);
  let config = options.config ?? '';
  let port = options.port;
  let wanted = true;
  const launch = async () => {
    writeConfig(options, config, port);
    const started = await launchServer(program, options);
    // Kept from now on, so that clients find the server again after a restart.
    port = started.port;
    wanted = true;
    void started.server.exited.then((exit) => {
      if (wanted && server === started.server) options.onUnexpectedExit?.(exit);
    });
    return started.server;
  };
  let server = await launch();
  const stop = async () => {
    wanted = false;
    await endServer(server, STOP_STEPS);
  };
  const chosen = port as unknown as number;
  return {
    port: chosen,
    url: `nats://${HOST}:${chosen}`,
    pid: () => server.pid,
    stop,
    kill: async () => {
      wanted = false;
      await killServer(server);
    },
    restart: async () => {
      await stop();
      server = await launch();
    },
    reload: async (next) => {
      writeConfig(options, next, port);
      const refusal = await reloadServer(server);
      if (refusal === undefined) {
        config = next;
        return;
      }
      writeConfig(options, config, port);
      throw new StatusError(
        'invalidParameter',
        `nats-server refused the configuration: ${refusal}`,
      );
    },
  };
}

/** Ends the server that a crash left running on the folder; the pid that was ended, or undefined. */
export function endLeftoverNats(folder: string): Promise<number | undefined> {
  const pidFile = join(folder, 'nats.pid');
  return endLeftover({ pidFile, folder, politeSignal: 'SIGTERM', politeMs: 10_000 });
}

function writeConfig(options: NatsOptions, config: string, port: number | undefined): void {
  const { folder, storeSizeMaxBytes = 4 * 1024 ** 3 } = options;
  const quoted = (path: string) => JSON.stringify(path);
  const text = [
    `listen: "${HOST}:${port ?? -1}"`,
    `pid_file: ${quoted(join(folder, 'nats.pid'))}`,
    `ports_file_dir: ${quoted(folder)}`,
    `jetstream { store_dir: ${quoted(join(folder, 'store'))}, max_mem: 64MB, max_file: ${storeSizeMaxBytes} }`,
    config,
    '',
  ].join('\n');
  const path = join(folder, 'nats.conf');
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}

async function launchServer(
  program: string,
  options: NatsOptions,
): Promise<{ server: ServerProcess; port: number }> {
  const { folder } = options;
  const server = await spawnServer({
    command: program,
    args: ['-c', join(folder, 'nats.conf')],
    cwd: folder,
    env: { PATH: '/usr/bin:/bin' },
    onLine: options.onLine,
    endWithUs: options.endWithUs ?? false,
  });
  let port: number | undefined;
  const answers = async () => {
    port ??= portOf(folder, server.pid);
    return port !== undefined && (await greets(port));
  };
  if ((await waitUntilReady(server, answers, START_MS)) && port !== undefined) {
    return { server, port };
  }
  await endServer(server, STOP_STEPS);
  throw new StatusError('systemError', `nats-server did not start: ${server.tail()}`, { folder });
}

/** The server writes the ports that it listens on into a file named after its pid. */
function portOf(folder: string, pid: number): number | undefined {
  const path = join(folder, `nats-server_${pid}.ports`);
  if (!existsSync(path)) return undefined;
  const port = /"nats":\["[a-z]+:\/\/[^"]*:(\d+)"/.exec(readFileSync(path, 'utf8'))?.[1];
  return port === undefined ? undefined : Number(port);
}

/** A server that takes clients greets each with an INFO line. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port, timeout: 1_000 });
    const end = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.once('data', (data) => end(data.toString('latin1').startsWith('INFO ')));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
    socket.once('close', () => resolve(false));
  });
}

/** What the server said against the new configuration; undefined: it took it. */
async function reloadServer(server: ServerProcess): Promise<string | undefined> {
  const lines = server.lineCount();
  server.signal('SIGHUP');
  let said: string | undefined;
  const heard = () => {
    said = server
      .linesSince(lines)
      .find((line) => /Reloaded server config|[Ff]ailed to reload/.test(line));
    return said !== undefined;
  };
  if (!(await waitUntilReady(server, heard, 10_000))) return 'it did not answer';
  return said?.includes('Reloaded') ? undefined : said;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
