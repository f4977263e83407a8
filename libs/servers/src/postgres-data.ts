// A PostgreSQL data folder: made by initdb, or (test servers) copied from a cached one, which is quicker.

import { execFile } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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

/**
 * Runs initdb. UTF-8 in byte order, so that no host's locale changes a sort. The folder appears only when it
 * is complete: what an interrupted initdb left is made anew.
 */
export async function initDataFolder(dataDir: string, options: DataFolderOptions): Promise<void> {
  const { binaries, user, passwordFile } = options;
  const aside = `${dataDir}.new`;
  rmSync(aside, { recursive: true, force: true });
  const args = ['-D', aside, '-U', SUPERUSER, '-E', 'UTF8'];
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C');
  // initdb runs as the server's user, who may not read the caller's secret: it gets a copy for a moment.
  const passwordCopy = `${dataDir}.password`;
  if (passwordFile === undefined) args.push('--auth=trust', '--no-sync', '--wal-segsize=1');
  else {
    writeFileSync(passwordCopy, readFileSync(passwordFile), { mode: 0o600 });
    if (user !== undefined) chownSync(passwordCopy, user.uid, user.gid);
    args.push('--auth=scram-sha-256', `--pwfile=${passwordCopy}`);
  }
  try {
    const how = { cwd: '/', env: { ...binaries.env }, timeout: 120_000, ...(user ?? {}) };
    await run(binaries.initdb, args, how);
    renameSync(aside, dataDir);
  } catch (error) {
    const said = (error as { stderr?: string }).stderr ?? '';
    throw new StatusError(
      'databaseError',
      `the database folder ${dataDir} could not be made: ${said.trim()}`,
      {},
      { cause: error },
    );
  } finally {
    rmSync(passwordCopy, { force: true });
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
