// Removes what is no longer wanted below a directory that a recovery holds open: by descriptor and name,
// never through a link, never into another mount.

import { fstatSync, rmdirSync, unlinkSync } from 'node:fs';
import {
  closeDirectory,
  type Directory,
  errorCode,
  nameIn,
  openBelow,
  pathOf,
} from './directory.ts';
import { listDirectory } from './directory-listing.ts';
import type { MountPolicy } from './mounts.ts';

/** Throws the errno of the first thing that stays. */
export function removeTree(parent: Directory, name: Buffer | string, mounts: MountPolicy): void {
  try {
    unlinkSync(nameIn(parent, name));
    return;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return;
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
  }
  const directory = openBelow(parent, name);
  try {
    if (!mounts.allows(directory, fstatSync(directory.fd, { bigint: true }))) {
      throw Object.assign(new Error('another file system is mounted there'), { code: 'EXDEV' });
    }
    removeContents(directory, mounts, () => false);
  } finally {
    closeDirectory(directory);
  }
  rmdirSync(nameIn(parent, name));
}

/** Names are latin1 strings. Throws the errno of the first thing that stays, once all others are gone. */
export function removeContents(
  directory: Directory,
  mounts: MountPolicy,
  keeps: (name: string) => boolean,
): void {
  const names = listDirectory(directory);
  let failure: unknown;
  for (let i = 0; i < names.length; i += 1) {
    const name = names.name(i);
    if (keeps(name)) continue;
    try {
      removeTree(directory, pathOf(name), mounts);
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}
