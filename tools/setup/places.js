// Where things are: the repository, its cache, Node 24. Plain JavaScript for Node 20 on, like everything
// in this folder, because it runs before `npm ci` has brought anything.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');

/** Where what setup obtains and remembers is kept; safe to delete at any time. */
export const cacheDir = join(root, '.cache');

const NODE_MAJOR = 24;

/**
 * The Node that runs our TypeScript: this one if it is new enough, otherwise the pinned one from npm.
 * @param {string} folder the repository
 * @returns {string | undefined} undefined before the dependencies are installed
 */
export function findNode24(folder = root) {
  if (Number(process.versions.node.split('.', 1)[0]) >= NODE_MAJOR) return process.execPath;
  const pinned = join(folder, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  return existsSync(pinned) ? pinned : undefined;
}
