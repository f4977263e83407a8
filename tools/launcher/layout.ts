// Where an installation on one machine keeps what: one state folder, everything in it.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ProcessMark } from '@tapestry/processes';

export const ROOT = resolve(import.meta.dirname, '../..');

export interface Layout {
  readonly stateDir: string;
  /** Passwords and keys, mode 0400 in folders of mode 0700. */
  readonly secretsDir: string;
  readonly logDir: string;
  /** What runs now: read by commands to find the bus, by the next start to find survivors. */
  readonly systemFile: string;
  /** Held by the supervisor that runs the system. */
  readonly supervisorFile: string;
  /** Ports chosen at the first start, kept so that clients find the daemons again. */
  readonly portsFile: string;
}

export function layoutOf(stateDir: string): Layout {
  const dir = resolve(stateDir);
  return {
    stateDir: dir,
    secretsDir: join(dir, 'secrets'),
    logDir: join(dir, 'log'),
    systemFile: join(dir, 'run', 'system.json'),
    supervisorFile: join(dir, 'run', 'supervisor.json'),
    portsFile: join(dir, 'ports.json'),
  };
}

/** The state folder that `--state`, then TAPESTRY_STATE_DIR, names; else `.state` of the checkout. */
export function defaultStateDir(flag: string | undefined, env: string | undefined): string {
  return resolve(flag ?? env ?? join(ROOT, '.state'));
}

/** What commands read to reach a running system. */
export interface SystemRecord {
  readonly natsUrl: string;
  readonly host: string;
  readonly consoleUrl: string;
  readonly processes: readonly ProcessRecord[];
}

export interface ProcessRecord extends ProcessMark {
  readonly name: string;
  readonly httpUrl: string;
}

export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Written aside and renamed, so that a reader never sees half of it. */
export function writeJson(file: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Memory that the process holds now; 0 when it has ended. */
export function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * 4_096;
  } catch {
    return 0;
  }
}
