// One run of the compose file: brings it up, waits until all is healthy, runs commands in its containers, takes it down.

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MEDIA_HOST } from './compose-model.ts';

export const COMPOSE_FILE = join(import.meta.dirname, 'docker-compose.yml');

export interface CompositionOptions {
  readonly project: string;
  /** NATS_IMAGE, CONSOLE_PORT, …: what the compose file reads. */
  readonly env: Readonly<Record<string, string>>;
  /** Gets what the programs print; absent: the terminal. */
  readonly onOutput?: (text: string) => void;
}

export interface Composition {
  up(): Promise<void>;
  /** Rejects naming what is not healthy. */
  waitHealthy(timeoutMs: number): Promise<void>;
  /** Runs a command in a service's container; `input` goes to its standard input. Rejects unless it exits with 0. */
  exec(service: string, words: readonly string[], input?: string): Promise<string>;
  /**
   * SIGKILL to a daemon of the media server, as a crash would: Docker starts its container again. Not by `docker kill`,
   * which counts as a wish that it stays away.
   */
  crash(daemon: string): Promise<void>;
  logs(service: string): Promise<string>;
  /** Removes containers, network and volumes. */
  down(): Promise<void>;
}

export function openComposition(options: CompositionOptions): Composition {
  const [program, ...first] = composeProgram();
  const env = { ...process.env, ...options.env };
  const compose = (...args: string[]): Promise<string> =>
    run(program, [...first, '-p', options.project, '-f', COMPOSE_FILE, ...args], {
      env,
      onOutput: options.onOutput,
    });
  const docker = (args: readonly string[], input?: string): Promise<string> =>
    run('docker', args, { env, input });
  const label = `label=com.docker.compose.project=${options.project}`;
  const containerOf = async (service: string): Promise<string> => {
    const ofService = `label=com.docker.compose.service=${service}`;
    const id = (await docker(['ps', '-q', '--filter', label, '--filter', ofService])).trim();
    if (id === '') throw new Error(`no container of ${service} runs`);
    return id;
  };
  return {
    up: async () => void (await compose('up', '-d')),
    waitHealthy: (timeoutMs) =>
      waitHealthy(() => docker(['ps', '-a', '--filter', label, '--format', PS_FORMAT]), timeoutMs),
    exec: async (service, words, input) =>
      docker(['exec', '-i', await containerOf(service), ...words], input),
    crash: async (daemon) => {
      await docker(['exec', await containerOf(MEDIA_HOST), 'sh', '-c', killScript(daemon)]);
    },
    logs: async (service) => docker(['logs', '--tail', '200', await containerOf(service)]),
    down: async () => void (await compose('down', '-v', '--remove-orphans', '-t', '20')),
  };
}

/** From the container that holds the process space: one that ends under its own `docker exec` leaves that hanging. */
const killScript = (daemon: string): string =>
  `for each in /proc/[0-9]*; do if tr '\\0' ' ' <$each/cmdline | grep -q '^node apps/${daemon}/src/main.ts'; ` +
  'then kill -9 "$(basename "$each")"; fi; done';

const PS_FORMAT = '{{.Label "com.docker.compose.service"}}\t{{.State}}\t{{.Status}}';

/** Every container runs and, where it has a check, is healthy; the steps of set-up have ended with 0. */
async function waitHealthy(list: () => Promise<string>, timeoutMs: number): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  for (;;) {
    const rows = (await list()).trimEnd().split('\n');
    const waiting = rows.filter((row) => {
      const [, state = '', status = ''] = row.split('\t');
      if (state === 'exited') return !status.startsWith('Exited (0)');
      return state !== 'running' || /unhealthy|starting/.test(status);
    });
    if (waiting.length === 0 && rows.length > 1) return;
    if (Date.now() > endMs) throw new Error(`not healthy in time: ${waiting.join('; ')}`);
    await sleep(1_000);
  }
}

/** `docker-compose` where it is installed, else the docker command's own. */
function composeProgram(): [string, ...string[]] {
  if (spawnSync('docker-compose', ['version'], { stdio: 'ignore' }).status === 0) {
    return ['docker-compose'];
  }
  return ['docker', 'compose'];
}

const RUN_MAX_MS = 600_000;

interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly input?: string | undefined;
  readonly onOutput?: ((text: string) => void) | undefined;
}

function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { env: options.env, timeout: RUN_MAX_MS });
    let out = '';
    let all = '';
    const hear = (text: string): void => {
      all += text;
      options.onOutput?.(text);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      hear(text);
    });
    child.stderr.setEncoding('utf8').on('data', hear);
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(out);
      else
        reject(new Error(`${program} ${args.join(' ')} ended with ${code}:\n${all.slice(-4_000)}`));
    });
  });
}
