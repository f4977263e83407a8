// `npm test [-- <project>…]`: generate, typecheck, lint and build through Nx, then one vitest run over all projects.
// The last line is `N passed, N failed, N skipped`; a skipped test names its reason, and a failed step counts as one.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../launcher/layout.ts';
import { runVitest } from './run-vitest.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'tests-only': { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(
    'npm test [-- <project>… ] [--tests-only]\n\n' +
      'Projects are names of apps and libs, and `tools`; all of them when none is named.\n' +
      'TAPESTRY_CONTAINERS=1 runs the servers of integration tests in containers.\n',
  );
  process.exit(0);
}

for (const name of positionals) {
  if (
    !['apps', 'libs', ''].some((parent) => existsSync(join(ROOT, parent, name, 'package.json')))
  ) {
    process.stderr.write(`npm test: no project is named ${name}\n`);
    process.exit(144);
  }
}

const steps = values['tests-only'] === true ? [] : ['generate', 'typecheck', 'lint', 'build'];
const failedSteps = steps.filter((step) => !runStep(step));
const totals = await runVitest(positionals);
for (const step of failedSteps) process.stdout.write(`FAILED ${step}: see above\n`);
for (const { name, reason } of totals.failures) {
  process.stdout.write(`FAILED ${name}: ${reason}\n`);
}
for (const { name, reason } of totals.skips) {
  process.stdout.write(`SKIPPED ${name}: ${reason || 'no reason given'}\n`);
}
const unexplained = totals.skips.filter(({ reason }) => reason === '').length;
const failed = totals.failures.length + failedSteps.length + unexplained;
process.stdout.write(`${totals.passed} passed, ${failed} failed, ${totals.skips.length} skipped\n`);
process.exit(failed === 0 && totals.passed > 0 ? 0 : 1);

function runStep(step: string): boolean {
  const projects = positionals.map((name) => `@tapestry/${name}`).join(',');
  const only = projects === '' || step === 'generate' ? [] : [`--projects=${projects}`];
  // Biome reads the whole workspace's types each time it starts: once over everything is far cheaper than once a project.
  const target = step === 'lint' && projects === '' ? 'lint:all' : step;
  const started = performance.now();
  const { status } = spawnSync(
    process.execPath,
    [
      join(ROOT, 'node_modules/nx/dist/bin/nx.js'),
      'run-many',
      '-t',
      target,
      ...only,
      '--outputStyle=static',
    ],
    {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CI: 'true', NX_DAEMON: 'false', NX_TUI: 'false' },
    },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${step}: ${status === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
  return status === 0;
}
