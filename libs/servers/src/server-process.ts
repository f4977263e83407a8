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
  /** Also its own children are gone and all that they wrote was read (they share its output). */
  readonly closed: Promise<void>;
  /** Undefined while it runs. */
  exit(): ServerExit | undefined;
  signal(name: NodeJS.Signals): void;
  /** The last lines that it wrote. */
  tail(): string;
  /** How many lines it has written. */
  lineCount(): number;
  /** Those of the last lines that came after the first `count`. */
  linesSince(count: number): string[];
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
  let written = 0;
  const keep = (line: string) => {
    lines.push(line);
    written++;
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
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    pid: child.pid as number,
    exited,
    closed,
    exit: () => exit,
    signal: (name) => void child.kill(name),
    tail: () => lines.join('\n'),
    lineCount: () => written,
    linesSince: (count) => lines.slice(Math.max(0, lines.length - (written - count))),
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
  return await server.exited.finally(() => closedSoon(server));
}

/** SIGKILL, as a crash would; resolves when the server and its own children are gone. */
export async function killServer(server: ServerProcess): Promise<void> {
  if (server.exit() === undefined) server.signal('SIGKILL');
  await server.exited;
  await closedSoon(server);
}

/** Bounded, because a stray grandchild may hold the output open. */
async function closedSoon(server: ServerProcess): Promise<void> {
  await Promise.race([server.closed, sleep(5_000, undefined, { ref: false })]);
}
