// `bpps`: the processes of a system, whether they are ready, and how much memory they hold.

import { parseArgs } from 'node:util';
import { stillLives } from '@tapestry/processes';
import {
  defaultStateDir,
  layoutOf,
  type ProcessRecord,
  readJson,
  residentBytes,
  type SystemRecord,
} from './layout.ts';

// A reader that had enough, such as head.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const { values } = parseArgs({
  options: {
    state: { type: 'string' },
    a: { type: 'boolean', short: 'a' },
    x: { type: 'boolean', short: 'x' },
    l: { type: 'boolean', short: 'l' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(
    'bpps [-a | -x | -l] [--state DIR]: list the daemons of Tapestry on this machine\n',
  );
  process.exit(0);
}
const layout = layoutOf(defaultStateDir(values.state, process.env.TAPESTRY_STATE_DIR));
const processes = (readJson<SystemRecord>(layout.systemFile)?.processes ?? []).filter(stillLives);
if (processes.length === 0) {
  process.stdout.write(`No daemon runs with the state in ${layout.stateDir}\n`);
  process.exit(0);
}
process.stdout.write(`${'DAEMON'.padEnd(12)}${'PID'.padStart(8)}${'MB'.padStart(7)}  STATE\n`);
for (const line of await Promise.all(processes.map(describe))) process.stdout.write(line);

async function describe({ name, pid, httpUrl }: ProcessRecord): Promise<string> {
  const state = await readiness(pid, httpUrl);
  const mb = Math.round(residentBytes(pid) / 1e6);
  return `${name.padEnd(12)}${String(pid).padStart(8)}${String(mb).padStart(7)}  ${state}\n`;
}

async function readiness(pid: number, httpUrl: string): Promise<string> {
  try {
    const answer = await fetch(`${httpUrl}/readyz`, { signal: AbortSignal.timeout(2_000) });
    const state = (await answer.json()) as { ready: boolean; reason: string; pid: number };
    if (state.pid !== pid) return 'another process answers on its port';
    const { ready, reason } = state;
    return ready ? 'ready' : `not ready: ${reason}`;
  } catch {
    return 'does not answer';
  }
}
