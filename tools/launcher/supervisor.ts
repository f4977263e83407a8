// The process that runs a system until it is told to stop: `npm start` detaches it, containers run it in front.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { ownMark } from '@tapestry/processes';
import { asStatusError } from '@tapestry/status';
import { layoutOf, writeJson } from './layout.ts';
import { startSystem } from './system.ts';

const { values } = parseArgs({
  options: {
    state: { type: 'string' },
    host: { type: 'string' },
    'console-port': { type: 'string' },
    'log-level': { type: 'string' },
  },
});
if (values.state === undefined) {
  process.stderr.write('supervisor: --state DIR is needed\n');
  process.exit(144);
}
const layout = layoutOf(values.state);
mkdirSync(dirname(layout.supervisorFile), { recursive: true });
const note = (phase: string, text = ''): void =>
  writeJson(layout.supervisorFile, { ...ownMark(), phase, text });

note('starting');
let stopping = false;
let failed = false;
try {
  const system = await startSystem({
    stateDir: layout.stateDir,
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values['log-level'] === undefined ? {} : { logLevel: values['log-level'] }),
    natsUrl: process.env.NATS_URL || undefined,
    consolePort: Number(values['console-port'] ?? 0),
    onStage: (text) => note('starting', text),
  });
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    // Whoever waits for the start reads there why it failed.
    if (!failed) note('stopping');
    await system.stop();
    if (!failed) note('stopped');
    process.exit(failed ? 1 : 0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());
  await system.waitReady();
  note('ready', system.consoleUrl);
} catch (error) {
  if (!stopping) {
    failed = true;
    note('failed', asStatusError(error).detail);
    process.stderr.write(`${asStatusError(error).detail}\n`);
    process.exitCode = 1;
    // What had been started keeps the process alive: end it all, or the next start finds it in the way.
    process.kill(process.pid, 'SIGTERM');
  }
}
