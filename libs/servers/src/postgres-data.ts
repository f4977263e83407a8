// A PostgreSQL data folder: made by initdb, or (test servers) copied from a cached one, which is quicker.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StatusError } from '@tapestry/status';
import { makePrivateFolder, reachableFolder, type ServerUser } from './folders.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';

const run = promisify(execFile);

export const SUPERUSER = 'postgres';

export interface DataFolderOptions {
  binaries: PostgresBinaries;
  user: ServerUser | undefined;
  /** Absent: everybody who reaches the socket is trusted (test servers). */
  passwordFile?: string | undefined;
}

/** Runs initdb into a new folder. UTF-8 with byte order, so that no host's locale changes a sort. */
export async function initDataFolder(dataDir: string, options: DataFolderOptions): Promise<void> {
  const { binaries, user, passwordFile } = options;
  const auth = passwordFile === undefined ? 'trust' : 'scram-sha-256';
  const args = ['-D', dataDir, '-U', SUPERUSER, '-E', 'UTF8', `--auth=${auth}`];
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C');
  if (passwordFile === undefined) args.push('--no-sync', '--wal-segsize=1');
  // initdb runs as the server's user, which may not read the caller's secret: it gets it on stdin.
  else args.push('--pwfile=/dev/stdin');
  const started = run(binaries.initdb, args, {
    cwd: '/',
    env: { ...binaries.env },
    timeout: 120_000,
    ...(user ?? {}),
  });
  started.child.stdin?.end(passwordFile === undefined ? '' : readFileSync(passwordFile));
  try {
    await started;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr ?? '';
    throw new StatusError(
      'databaseError',
      `the database folder ${dataDir} could not be made: ${said.trim()}`,
      {},
      { cause: error },
    );
  }
}

/** Copies the cached template of this version, which is made on the first call. Not durable. */
export async function copyTemplate(
  dataDir: string,
  options: DataFolderOptions & { cacheDir: string },
): Promise<void> {
  const template = await ensureTemplate(options);
  await run('cp', ['-a', '--reflink=auto', template, dataDir], { timeout: 60_000 });
}

async function ensureTemplate(options: DataFolderOptions & { cacheDir: string }): Promise<string> {
  const { user, cacheDir, binaries } = options;
  const name = user === undefined ? 'postgres-template' : 'postgres-template-root';
  const base = reachableFolder(join(cacheDir, name), user);
  makePrivateFolder(base, user);
  const template = join(base, `template-${binaries.version}`);
  if (existsSync(template)) return template;
  const aside = mkdtempSync(join(base, 'initdb-'));
  makePrivateFolder(aside, user);
  try {
    await initDataFolder(join(aside, 'data'), { binaries, user });
    renameSync(join(aside, 'data'), template);
  } catch (error) {
    // Two test runs may make it at once; whichever is there first is used by both.
    if (!existsSync(template)) throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return template;
}

/** The major version that a data folder was made by; undefined when there is none. */
export function majorOf(dataDir: string): number | undefined {
  try {
    return Number(readFileSync(join(dataDir, 'PG_VERSION'), 'latin1').trim());
  } catch {
    return undefined;
  }
}
