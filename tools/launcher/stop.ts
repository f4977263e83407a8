// `npm stop`, `bp.kill_all`: ends the system of a state folder in order, and says when it has ended.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type ProcessMark, stillLives } from '@tapestry/processes';
import { defaultStateDir, layoutOf, readJson } from './layout.ts';

const { values } = parseArgs({ options: { state: { type: 'string' }, help: { type: 'boolean' } } });
if (values.help) {
  process.stdout.write(
    'bp.kill_all (npm stop --): stop Tapestry on this machine\n\n  --state DIR  its folder\n',
  );
  process.exit(0);
}
const layout = layoutOf(defaultStateDir(values.state, process.env.TAPESTRY_STATE_DIR));
const supervisor = readJson<ProcessMark>(layout.supervisorFile);
if (supervisor === undefined || !stillLives(supervisor)) {
  process.stdout.write(`Tapestry does not run with the state in ${layout.stateDir}\n`);
  process.exit(0);
}
process.kill(supervisor.pid, 'SIGTERM');
const endMs = Date.now() + 60_000;
while (stillLives(supervisor)) {
  if (Date.now() > endMs) {
    process.stderr.write(
      `The supervisor (pid ${supervisor.pid}) does not end; its log is in ${layout.logDir}\n`,
    );
    process.exit(1);
  }
  await sleep(50);
}
process.stdout.write('Tapestry has stopped\n');
