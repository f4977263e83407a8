// node tools/setup/run.js <script.ts> [arguments]: sets up what is missing, then runs the script with
// Node 24. Signals go through to it, and its end is ours: the same exit code, or the same signal.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { findNode24, root } from './places.js';
import { setupOrExit } from './setup.js';

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  process.stderr.write('usage: node tools/setup/run.js <script.ts> [arguments]\n');
  process.exit(2);
}

await setupOrExit();
const node = findNode24();
if (node === undefined) {
  process.stderr.write('run: no Node 24 here; install Node 24 or newer and use it\n');
  process.exit(1);
}

const child = spawn(node, [resolve(root, script), ...args], { stdio: 'inherit' });
child.on('error', (error) => {
  process.stderr.write(`run: ${error.message}\n`);
  process.exit(1);
});
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])) {
  process.on(signal, () => {
    // A key at the terminal reaches the whole process group, the child included: once is enough.
    const fromTerminal = (signal === 'SIGINT' || signal === 'SIGQUIT') && process.stdin.isTTY;
    if (!fromTerminal) child.kill(signal);
  });
}
child.on('exit', (code, signal) => {
  process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
});
