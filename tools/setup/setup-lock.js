// Only one setup at a time in a working tree: two `npm ci` would pull the floor from under each other.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './setup-error.js';

/**
 * Runs `work` while no other process does. A lock whose owner has died is taken over.
 * @param {string} path the lock file
 * @param {() => void} work
 * @param {number} waitMs how long to wait for another
 */
export async function withLock(path, work, waitMs = 15 * 60_000) {
  mkdirSync(dirname(path), { recursive: true });
  const endAt = Date.now() + waitMs;
  while (!take(path)) {
    if (Date.now() > endAt) throw new SetupError(`another setup is still running (see ${path})`);
    await sleep(100);
  }
  try {
    work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** @param {string} path */
function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!isOwnerDead(path)) return false;
  }
  // Of several that saw the dead owner, one can move its lock away; all then start over.
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    rmSync(aside);
  } catch {
    // Another was quicker.
  }
  return false;
}

/** @param {string} path */
function isOwnerDead(path) {
  if (!existsSync(path)) return false;
  const pid = Number(readFileSync(path, 'utf8'));
  // Empty for an instant, between creation and writing.
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}
