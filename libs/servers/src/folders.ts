// Where servers keep their files. PostgreSQL refuses to run as root, so for root it runs as `nobody`,
// which needs folders that it can reach: this file finds or makes them.

import { createHash } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StatusError } from '@tapestry/status';

export interface ServerUser {
  uid: number;
  gid: number;
}

/** Root keeps relocated server files here, one folder for each state folder. */
const ROOT_BASE = '/var/lib/tapestry';

/** The repository's cache folder; nothing in it is worth a backup. */
export function defaultCacheDir(): string {
  return resolve(import.meta.dirname, '../../../.cache');
}

/** The user that a server runs as when we are root; undefined: as we are. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'latin1')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined || Number(uid) === 0) {
    throw new StatusError(
      'systemError',
      'PostgreSQL cannot run as root and this host has no user "nobody" for it; start as another user',
    );
  }
  return { uid: Number(uid), gid: Number(gid) };
}

/** True when any user can pass through the folder and all folders above it. */
export function isTraversable(path: string): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const stat = statSync(folder, { throwIfNoEntry: false });
    if (stat !== undefined && (stat.mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** The folder itself when the server's user can reach it, otherwise its fixed place below /var/lib. */
export function reachableFolder(path: string, user: ServerUser | undefined): string {
  if (user === undefined || isTraversable(dirname(resolve(path)))) return resolve(path);
  const tag = createHash('sha256').update(resolve(path)).digest('hex').slice(0, 12);
  return join(ROOT_BASE, tag);
}

/**
 * Makes a folder that only the server's user enters (mode 700). A folder of another owner, or a link, is
 * refused: in a shared place such as /tmp somebody else may have put it there.
 */
export function makePrivateFolder(path: string, user: ServerUser | undefined): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stat = lstatSync(path);
  const us = process.getuid?.() ?? stat.uid;
  const owner = user?.uid ?? us;
  if (!stat.isDirectory() || (stat.uid !== owner && stat.uid !== us)) {
    throw new StatusError('accessNotAllowed', `${path} belongs to another user; remove it first`);
  }
  if (user !== undefined && stat.uid !== owner) chownSync(path, user.uid, user.gid);
}
