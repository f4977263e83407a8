// Commands run in the test's process, against a real bus with faked daemons, and what they printed.

import type { Bus } from '@tapestry/bus';
import { startTestBus, type TestBus } from '@tapestry/testkit';
import type { Context } from '../src/command.ts';
import { findCommand } from '../src/commands.ts';
import { runCommand } from '../src/run-command.ts';

export const HOST = 'media1';
/** Saturday, 22 November 2025, 07:00:00 UTC. */
export const NOW_MS = 1_763_794_800_000;

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

export interface Shell {
  readonly testBus: TestBus;
  run(line: string | readonly string[], options?: RunOptions): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly secret?: string;
  /** What is typed at a question. */
  readonly answer?: string;
  /** What is typed to a command that goes on asking. */
  readonly lines?: readonly string[];
  readonly isScreen?: boolean;
  /** What a person types, one secret after the other. */
  readonly typed?: readonly string[];
  readonly cwd?: string;
}

export async function startShell(): Promise<Shell> {
  const testBus = await startTestBus({ hosts: [HOST] });
  const bus = await testBus.as({ service: 'cli' });
  return {
    testBus,
    run: (line, options = {}) => runLine(bus, line, options),
    stop: () => testBus.stop(),
  };
}

/** Words are parted by blanks, or given one by one. The clock stands except while a command sleeps. */
async function runLine(
  bus: Bus,
  line: string | readonly string[],
  options: RunOptions,
): Promise<Outcome> {
  const [name = '', ...words] = typeof line === 'string' ? line.split(' ') : line;
  const command = await findCommand(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const printed = { out: '', error: '' };
  let nowMs = NOW_MS;
  const typed = [...(options.typed ?? [])];
  const context: Context = {
    name,
    out: (text) => {
      printed.out += text;
    },
    error: (text) => {
      printed.error += text;
    },
    bus: async () => bus,
    client: async (service, host) => bus.client(service, host),
    host: async () => HOST,
    user: 'operator',
    machine: 'desk',
    cwd: options.cwd ?? process.cwd(),
    terminal: {
      isScreen: options.isScreen ?? false,
      isAsked: options.typed !== undefined,
      columns: 100,
      lines: async function* () {
        yield* options.lines ?? [];
      },
      ask: async (question) => {
        printed.error += question;
        return options.answer ?? '';
      },
      secret: async (_question, file) => typed.shift() ?? `${options.secret ?? ''}${file ?? ''}`,
    },
    onInterrupt: () => {},
    nowMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
  };
  return { status: await runCommand(command, words, context), ...printed };
}
