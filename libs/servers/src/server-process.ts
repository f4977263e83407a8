// A server of somebody else's (PostgreSQL, nats-server) as our child: spawn, wait, end, and the last
// lines that it wrote, so that a failed start says why. Every wait here has a deadline.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const TAIL_LINES_MAX = 40;

export interface ServerCommand {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** The user to run as; absent: the caller's own. */
  user?: { uid: number; gid: number } | undefined;
  /** Receives every line that the server writes. */
  onLine?: ((line: string) => void) | undefined;
  /** End the server when this process exits (test servers; a product server is stopped in order). */
  endWithUs: boolean;
}

export interface ServerExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running child. It leads its own process group, so a Ctrl-C at the terminal reaches only us. */
export interface ServerProcess {
  readonly pid: number;
  readonly exited: Promise<ServerExit>;
  /** Undefined while it runs. */
  exit(): ServerExit | undefined;
  signal(name: NodeJS.Signals): void;
  /** The last lines that it wrote. */
  tail(): string;
}

/** Starts the command. Rejects when it cannot be executed at all. */
export async function spawnServer(command: ServerCommand): Promise<ServerProcess> {
  const child = spawn(command.command, [...command.args], {
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(command.user ?? {}),
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  return follow(child, command);
}

function follow(child: ChildProcess, command: ServerCommand): ServerProcess {
  const lines: string[] = [];
  const keep = (line: string) => {
    lines.push(line);
    if (lines.length > TAIL_LINES_MAX) lines.shift();
    command.onLine?.(line);
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', keep);
  }
  const onOurExit = () => child.kill('SIGKILL');
  if (command.endWithUs) process.once('exit', onOurExit);
  let exit: ServerExit | undefined;
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('exit', (code, signal) => {
      process.off('exit', onOurExit);
      exit = { code, signal };
      resolve(exit);
    });
  });
  // The child must not keep a finished test or command alive; whoever needs its end awaits `exited`.
  return {
    pid: child.pid as number,
    exited,
    exit: () => exit,
    signal: (name) => void child.kill(name),
    tail: () => lines.join('\n'),
  };
}

/** Polls until `ready` is true; false when the server ended or the time is over. */
export async function waitUntilReady(
  server: ServerProcess,
  ready: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const endAt = performance.now() + timeoutMs;
  while (server.exit() === undefined && performance.now() < endAt) {
    if (await ready()) return true;
    await sleep(5);
  }
  return false;
}

/** Sends each signal in turn, the next one when the server has not ended in time; SIGKILL comes last. */
export async function endServer(
  server: ServerProcess,
  steps: readonly { signal: NodeJS.Signals; waitMs: number }[],
): Promise<ServerExit> {
  for (const step of steps) {
    if (server.exit() !== undefined) break;
    server.signal(step.signal);
    await Promise.race([server.exited, sleep(step.waitMs, undefined, { ref: false })]);
  }
  if (server.exit() === undefined) server.signal('SIGKILL');
  return await server.exited;
}
