// node tools/setup/complete-lock.js: names in package-lock.json the optional packages of other platforms
// that npm left out because its registry did not offer them. `npm ci` refuses a lock file without them.
// Run it after `npm install` added a dependency; it needs no network, and changes nothing that is there.

import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './places.js';

/** @typedef {{ version?: string, cpu?: string[], os?: string[], libc?: string[], dev?: boolean, license?: string, optional?: boolean, optionalDependencies?: Record<string, string> }} LockEntry */
/** @typedef {Record<string, LockEntry>} Packages */

const OPERATING_SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];

/**
 * The entries that are missing. Versions are exact, because such packages are released together.
 * @param {Packages} packages of a lock file
 * @returns {Packages}
 */
export function missingEntries(packages) {
  /** @type {Packages} */
  const missing = {};
  for (const [path, parent] of Object.entries(packages)) {
    if (!path.includes('node_modules/')) continue;
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (!/^\d/.test(version) || isListed(packages, path, name)) continue;
      const entry = entryFor(name, version, parent);
      if (entry !== undefined) missing[`node_modules/${name}`] = entry;
    }
  }
  return missing;
}

/**
 * Whether a package finds the other where Node would look for it.
 * @param {Packages} packages
 * @param {string} from
 * @param {string} name
 */
function isListed(packages, from, name) {
  for (let path = from; ; path = path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/')))) {
    if (packages[`${path === '' ? '' : `${path}/`}node_modules/${name}`] !== undefined) return true;
    if (path === '') return false;
  }
}

/**
 * @param {string} name says what platform it is for
 * @param {string} version
 * @param {LockEntry} parent
 * @returns {LockEntry | undefined} undefined: not a platform's package
 */
function entryFor(name, version, parent) {
  const words = name.split(/[-/]/);
  const os = OPERATING_SYSTEMS.find((word) => words.includes(word));
  const cpu = PROCESSORS.find((word) => words.includes(word));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined;
  return {
    version,
    cpu: [cpu],
    ...(parent.dev === true ? { dev: true } : {}),
    ...(libc === undefined ? {} : { libc }),
    ...(parent.license === undefined ? {} : { license: parent.license }),
    optional: true,
    os: [os],
  };
}

/**
 * The packages with the missing ones in their places.
 * @param {Packages} packages
 * @param {Packages} missing
 * @returns {Packages}
 */
export function insertEntries(packages, missing) {
  const paths = Object.keys(packages);
  for (const path of Object.keys(missing)) {
    const after = paths.findIndex(
      (other) => other.includes('node_modules/') && other.localeCompare(path, 'en') > 0,
    );
    paths.splice(after < 0 ? paths.length : after, 0, path);
  }
  const all = { ...packages, ...missing };
  return Object.fromEntries(paths.map((path) => [path, /** @type {LockEntry} */ (all[path])]));
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const path = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const missing = missingEntries(lock.packages);
  const names = Object.keys(missing);
  if (names.length > 0) {
    lock.packages = insertEntries(lock.packages, missing);
    writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  }
  process.stdout.write(
    `${names.length} entries added${names.map((name) => `\n${name}`).join('')}\n`,
  );
}
