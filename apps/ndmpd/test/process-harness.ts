// ndmpd as a process of its own, for tests of what only a process can show.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NdmpdProcess {
  readonly child: ChildProcess;
  /** HOST:PORT from the ready line; never settles for a process that does not get so far. */
  readonly address: Promise<string>;
  readonly ended: Promise<Ended>;
  end(signal: NodeJS.Signals): Promise<Ended>;
}

export function startProcess(args: readonly string[]): NdmpdProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  const address = new Promise<string>((resolve) => {
    child.stdout.on('data', (chunk) => {
      text.stdout += chunk;
      const line = /^\{.*"ready":true.*\}$/m.exec(text.stdout)?.[0];
      if (line !== undefined) resolve(JSON.parse(line).address);
    });
  });
  child.stderr.on('data', (chunk) => {
    text.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code]): Ended => ({ code, ...text }));
  const end = (signal: NodeJS.Signals): Promise<Ended> => {
    child.kill(signal);
    return ended;
  };
  return { child, address, ended, end };
}
