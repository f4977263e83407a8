// Brings a fresh clone, or one that was pulled, to where everything runs: npm packages, PostgreSQL's links,
// the contracts' types, the console's page, nats-server. What is in place already is left alone, which takes milliseconds.

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { install, whyInstall } from './dependencies.js';
import { CONSOLE, CONTRACTS, isStale, linkPostgres, make, unlinkedPostgres } from './generated.js';
import {
  cachedNatsServer,
  installedNatsServer,
  unpackFromDebian,
  useInstalled,
} from './nats-server.js';
import { cacheDir, findNode24, root } from './places.js';
import { SetupError } from './setup-error.js';
import { withLock } from './setup-lock.js';

const NODE_MIN_MAJOR = 20;

/**
 * A step: says why it has to run (undefined: it need not), and runs.
 * @typedef {{ why: () => string | undefined, run: () => void }} Step
 */

/** @type {Step[]} */
const STEPS = [
  {
    why: () => {
      const why = whyInstall(root);
      return why && `installing npm packages with "npm ci" (${why})`;
    },
    run: () => install(root),
  },
  {
    why: () => unlinkedPostgres(root) && 'linking the libraries of the PostgreSQL package',
    run: () => linkPostgres(/** @type {string} */ (unlinkedPostgres(root))),
  },
  {
    why: () => (isStale(root, CONTRACTS) ? 'generating code from libs/contracts/proto' : undefined),
    run: () => make(root, CONTRACTS, requireNode24()),
  },
  {
    why: () => (isStale(root, CONSOLE) ? "building the console's page" : undefined),
    run: () => make(root, CONSOLE, requireNode24()),
  },
  {
    why: () => {
      if (process.env.NATS_URL || existsSync(cachedNatsServer(cacheDir))) return undefined;
      const installed = installedNatsServer(process.env.PATH ?? '');
      return installed
        ? `using nats-server from ${installed}`
        : 'unpacking nats-server from the Debian package into .cache';
    },
    run: () => {
      const installed = installedNatsServer(process.env.PATH ?? '');
      if (installed !== undefined) useInstalled(cacheDir, installed);
      else unpackFromDebian(cacheDir);
    },
  },
];

/**
 * Runs the steps that are needed, each with a line that says what it does and how long it took.
 * @returns {Promise<number>} how many ran
 */
export async function setup() {
  if (Number(process.versions.node.split('.', 1)[0]) < NODE_MIN_MAJOR) {
    throw new SetupError(`Node ${process.versions.node} is too old: install Node 20 or newer`);
  }
  if (STEPS.every((step) => step.why() === undefined)) return 0;
  let ran = 0;
  await withLock(join(cacheDir, 'setup/lock'), () => {
    for (const step of STEPS) {
      // Asked again: another setup may have done it while this one waited.
      const why = step.why();
      if (why === undefined) continue;
      const startMs = performance.now();
      process.stderr.write(`setup: ${why} ...\n`);
      step.run();
      const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
      process.stderr.write(`setup: ... done in ${seconds} s\n`);
      ran++;
    }
  });
  return ran;
}

/** Runs the setup; what it cannot do is one line, and exit code 1. */
export async function setupOrExit() {
  try {
    return await setup();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`setup: ${error.message}\n`);
    process.exit(1);
  }
}

function requireNode24() {
  const node = findNode24();
  if (node !== undefined) return node;
  throw new SetupError(
    `there is no Node 24 for ${process.platform}-${process.arch} among the npm packages: ` +
      'install Node 24 or newer and run this again with it',
  );
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const ran = await setupOrExit();
  if (ran === 0) process.stderr.write('setup: everything is in place\n');
}
