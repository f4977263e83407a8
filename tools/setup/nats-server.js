// nats-server: no npm package holds it, so it comes from PATH, or from Debian's package, unpacked into the
// cache. Nothing is installed on the host, no root is needed, and apt's own lists are not touched.

import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { SetupError } from './setup-error.js';

/**
 * Where libs/servers looks for the program first.
 * @param {string} cacheDir
 */
export function cachedNatsServer(cacheDir) {
  return join(cacheDir, 'nats-server/nats-server');
}

/**
 * The program on PATH, or where Debian puts it (root's PATH may lack /usr/sbin).
 * @param {string} path the PATH variable
 * @returns {string | undefined}
 */
export function installedNatsServer(path) {
  const folders = [...path.split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'nats-server'))
    .find(isExecutable);
}

/**
 * Makes the cache's entry point to a program that the host has.
 * @param {string} cacheDir
 * @param {string} program
 */
export function useInstalled(cacheDir, program) {
  const entry = cachedNatsServer(cacheDir);
  mkdirSync(dirname(entry), { recursive: true });
  rmSync(entry, { force: true });
  symlinkSync(program, entry);
}

/**
 * Downloads Debian's package (or Ubuntu's) and unpacks the program.
 * @param {string} cacheDir
 * @throws SetupError what to install, where this cannot work
 */
export function unpackFromDebian(cacheDir) {
  const entry = cachedNatsServer(cacheDir);
  mkdirSync(dirname(entry), { recursive: true });
  const work = mkdtempSync(join(dirname(entry), 'unpack-'));
  try {
    download(work);
    const archive = readdirSync(work).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download left no package');
    execFileSync('dpkg-deb', ['-x', join(work, archive), join(work, 'files')]);
    const program = ['usr/sbin', 'usr/bin']
      .map((folder) => join(work, 'files', folder, 'nats-server'))
      .find(isExecutable);
    if (program === undefined) throw new Error('the package holds no nats-server');
    renameSync(program, entry);
  } catch (error) {
    throw new SetupError(
      'nats-server is missing and could not be obtained: install it (Debian, Ubuntu: apt-get install ' +
        'nats-server) so that it is on PATH, or set NATS_URL to a running server',
      { cause: error },
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} work */
function download(work) {
  for (const folder of ['lists/partial', 'cache/archives/partial', 'state']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  const options = {
    'Dir::State': join(work, 'state'),
    'Dir::State::lists': join(work, 'lists'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(work, 'cache'),
    'Acquire::Languages': 'none',
    // Root's downloads would go through the user _apt, who cannot write here.
    'APT::Sandbox::User': 'root',
  };
  const args = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  /** @type {import('node:child_process').ExecFileSyncOptions} */
  const how = { cwd: work, stdio: ['ignore', 'pipe', 'pipe'], timeout: 180_000 };
  try {
    execFileSync('apt-get', [...args, '-qq', 'update'], how);
  } catch {
    // One source that does not answer fails the whole update; the download shows whether that matters.
  }
  execFileSync('apt-get', [...args, '-qq', 'download', 'nats-server'], how);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return existsSync(path);
  } catch {
    return false;
  }
}
