// `npm start`, `bp.start_all`: starts the system of a state folder in the background and waits until it is ready.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type ProcessMark, stillLives } from '@tapestry/processes';
import { defaultStateDir, layoutOf, readJson } from './layout.ts';

const USAGE = `bp.start_all (npm start --): start Tapestry on this machine

  --state DIR          folder that keeps everything (default: .state in the checkout)
  --host NAME          name of this media server (default: the host's name)
  --console-port PORT  port of the console (default: any free one, kept)
  --log-level LEVEL    debug, info, warn or error (default: info)
`;
const WAIT_MS = 120_000;

interface Note extends ProcessMark {
  readonly phase: string;
  readonly text: string;
}

const { values } = parseArgs({
  options: {
    state: { type: 'string' },
    host: { type: 'string' },
    'console-port': { type: 'string' },
    'log-level': { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const layout = layoutOf(defaultStateDir(values.state, process.env.TAPESTRY_STATE_DIR));
const before = readJson<Note>(layout.supervisorFile);
if (before !== undefined && stillLives(before)) {
  process.stdout.write(
    `Tapestry runs already (pid ${before.pid}, ${before.phase}): ${before.text}\n`,
  );
  process.exit(0);
}
process.exit(await start());

async function start(): Promise<number> {
  mkdirSync(layout.logDir, { recursive: true });
  const log = openSync(join(layout.logDir, 'supervisor.log'), 'a');
  const passed = (['host', 'console-port', 'log-level'] as const).flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  );
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'supervisor.ts'), '--state', layout.stateDir, ...passed],
    { detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  child.unref();
  process.stdout.write(`Starting Tapestry, state in ${layout.stateDir}\n`);
  return await follow(child.pid ?? 0);
}

async function follow(pid: number): Promise<number> {
  const endMs = Date.now() + WAIT_MS;
  let told = '';
  while (Date.now() < endMs) {
    const note = readJson<Note>(layout.supervisorFile);
    if (note?.pid === pid) {
      if (note.text !== told && note.phase === 'starting') {
        told = note.text;
        process.stdout.write(`  ${told}\n`);
      }
      if (note.phase === 'ready') return ready(note);
      if (note.phase === 'failed' || !stillLives(note)) return failed(note);
    }
    await sleep(50);
  }
  process.stderr.write(
    `Not ready in time; the logs are in ${layout.logDir}. \`npm stop\` ends it.\n`,
  );
  return 1;
}

function ready(note: Note): number {
  const login = readFileSync(join(layout.secretsDir, 'console.passwd'), 'utf8').split(':', 1)[0];
  process.stdout.write(
    `Tapestry is ready. Console: ${note.text} (user ${login}, password in ` +
      `${join(layout.secretsDir, 'console.passwd')})\n`,
  );
  return 0;
}

function failed(note: Note): number {
  process.stderr.write(`Tapestry did not start: ${note.text}\nThe logs are in ${layout.logDir}.\n`);
  return 1;
}
