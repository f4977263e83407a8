// `npm run dev -- <daemon>`: runs one daemon in front, restarted when its sources change. With a running system it
// takes that daemon's place in it; without one, a small system of just the bus and the database stands around it.

import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultStateDir, ROOT } from './layout.ts';
import { DAEMONS, type DaemonName } from './plans.ts';
import { startSystem } from './system.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { state: { type: 'string' }, alone: { type: 'boolean' }, help: { type: 'boolean' } },
});
const [name] = positionals as [DaemonName | undefined];
if (values.help || name === undefined || !DAEMONS.includes(name)) {
  process.stdout.write(
    'npm run dev -- <daemon> [--alone] [--state DIR]\n\n' +
      'Runs the daemon with its log on the screen, inside a system of its own state folder; it starts again when\n' +
      'its sources change. --alone: only the bus and the database beside it.\n\n' +
      `Daemons: ${DAEMONS.join(' ')}\n`,
  );
  process.exit(values.help ? 0 : 144);
}
const stateDir = defaultStateDir(values.state, join(ROOT, '.state-dev'));
const others = DAEMONS.filter((daemon) => daemon !== name);
const system = await startSystem({
  stateDir,
  natsUrl: process.env.NATS_URL || undefined,
  without: values.alone ? DAEMONS : [name],
  onStage: (text) => process.stderr.write(`${text}\n`),
});
if (!values.alone) process.stderr.write(`around ${name}: ${others.join(' ')}\n`);
const { plan } = system.child(name);
process.stderr.write(`${name}: ${plan.httpUrl}/readyz, console ${system.consoleUrl}\n`);

let child = run();
let timer: NodeJS.Timeout | undefined;
const watcher = watch(join(ROOT, 'apps', name, 'src'), { recursive: true }, () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    process.stderr.write(`${name}: sources changed, starting again\n`);
    child.once('exit', () => {
      child = run();
    });
    child.kill('SIGTERM');
  }, 200);
});
let ending = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // A terminal signals the whole process group, and npm passes its own on: the second must not end us in the middle.
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    watcher.close();
    clearTimeout(timer);
    child.removeAllListeners('exit');
    child.once('exit', () => void system.stop().then(() => process.exit(0)));
    child.kill('SIGTERM');
  });
}

function run(): ReturnType<typeof spawn> {
  return spawn(process.execPath, [...plan.args], { env: { ...plan.env }, stdio: 'inherit' });
}
