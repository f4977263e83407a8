// Are the npm packages of package-lock.json installed? npm writes down what it installed in a hidden lock
// file; comparing the two takes milliseconds, where `npm ci` takes many seconds and starts from nothing.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './setup-error.js';

/** @typedef {{ version?: string, integrity?: string, link?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[] }} LockEntry */
/** @typedef {{ packages: Record<string, LockEntry> }} Lock */

/**
 * The first difference between what the lock file wants and what npm says it installed.
 * @param {Lock} wanted package-lock.json
 * @param {Lock} installed node_modules/.package-lock.json
 * @returns {string | undefined} undefined: they agree
 */
export function firstDifference(wanted, installed) {
  for (const [path, entry] of Object.entries(wanted.packages)) {
    if (path !== 'node_modules' && !path.includes('node_modules/')) continue;
    const found = installed.packages[path];
    if (found === undefined) {
      // Packages of other platforms are not installed, and an optional one may fail to be.
      if (entry.optional === true || entry.os || entry.cpu || entry.libc) continue;
      return `${path} is missing`;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${path} is ${found.version}, not ${entry.version}`;
    }
  }
  return undefined;
}

/**
 * Why `npm ci` has to run, or undefined.
 * @param {string} root
 */
export function whyInstall(root) {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden)) return 'nothing is installed';
  return firstDifference(readLock(join(root, 'package-lock.json')), readLock(hidden));
}

/**
 * Runs `npm ci`.
 * @param {string} root
 */
export function install(root) {
  try {
    execFileSync('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (error) {
    throw new SetupError('npm ci failed; its own words are above', { cause: error });
  }
  const difference = whyInstall(root);
  if (difference !== undefined) throw new SetupError(`npm ci ended, but ${difference}`);
}

/**
 * @param {string} path
 * @returns {Lock}
 */
function readLock(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
