// The demo's filer: our ndmpd on loopback, exporting the folder to protect and the folder to restore into.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../launcher/layout.ts';

export interface Filer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** Ends all its processes at once: a filer that loses its power. */
  kill(): Promise<void>;
}

export interface FilerOptions {
  /** For its password, state and log. */
  readonly dir: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly port?: number;
  /** More flags of ndmpd. */
  readonly flags?: readonly string[];
  /** The one it had before; a new one when left out. */
  readonly password?: string;
  /** Goes on after this process has ended. */
  readonly detached?: boolean;
}

const READY_MS = 60_000;

export async function startFiler(options: FilerOptions): Promise<Filer> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const user = 'backup';
  const password = options.password ?? randomBytes(12).toString('base64url');
  const passwordFile = join(options.dir, 'filer-password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  const log = openSync(join(options.dir, 'ndmpd.log'), 'a');
  const exports = Object.entries(options.exports).flatMap(([name, dir]) => [
    '--export',
    `${name}=${dir}`,
  ]);
  const child = spawn(
    process.execPath,
    [
      join(ROOT, 'apps/ndmpd/src/main.ts'),
      ...['--listen', `127.0.0.1:${options.port ?? 0}`, '--user', user],
      ...['--password-file', passwordFile, ...exports, ...(options.flags ?? [])],
    ],
    { stdio: ['ignore', 'pipe', log], detached: true },
  );
  closeSync(log);
  const port = await readyPort(child);
  if (options.detached) {
    child.unref();
    (child.stdout as unknown as { unref(): void }).unref();
  }
  const end = (send: () => void): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      send();
      return undefined;
    });
  return {
    ...{ host: '127.0.0.1', port, user, password },
    pid: child.pid ?? 0,
    stop: () => end(() => child.kill('SIGTERM')),
    // It leads a group of its own, with the processes that move its data.
    kill: () => end(() => process.kill(-(child.pid as number), 'SIGKILL')),
  };
}

function readyPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('ndmpd did not become ready')), READY_MS);
    child.once('exit', (code) => reject(new Error(`ndmpd ended with ${code}: see its log`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const ready = line.startsWith('{')
        ? (JSON.parse(line) as { ready?: boolean; address?: string })
        : {};
      if (ready.ready !== true || ready.address === undefined) return;
      clearTimeout(late);
      resolve(Number(ready.address.slice(ready.address.lastIndexOf(':') + 1)));
    });
  });
}
