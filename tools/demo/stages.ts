// What the demo shows on the screen: stages with their times, and each command as it runs.

import { spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { ROOT } from '../launcher/layout.ts';

export interface Stages {
  /** Runs one stage and keeps its time. */
  run<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** Lines of the summary: title and seconds. */
  times(): readonly { readonly title: string; readonly seconds: number }[];
}

export function makeStages(): Stages {
  const times: { title: string; seconds: number }[] = [];
  return {
    times: () => times,
    run: async (title, work) => {
      process.stdout.write(`\n== ${title}\n`);
      const startedMs = performance.now();
      const result = await work();
      const seconds = (performance.now() - startedMs) / 1000;
      times.push({ title, seconds });
      process.stdout.write(`   (${seconds.toFixed(1)} s)\n`);
      return result;
    },
  };
}

export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly code: number;

  constructor(command: string, code: number) {
    super(`${command} ended with ${code}`);
    this.code = code;
  }
}

export interface Commands {
  /** Prints the command, runs it with its output on the screen. Throws CommandFailed. */
  show(command: string, ...args: string[]): Promise<void>;
  /** The same, with `input` on standard input and never on the screen. */
  showWithInput(input: string, command: string, ...args: string[]): Promise<void>;
  /** Prints the command and gives back what it prints, echoing at most `echoLines`. */
  read(echoLines: number, command: string, ...args: string[]): Promise<string>;
}

export function makeCommands(stateDir: string): Commands {
  const run = (
    input: string | undefined,
    capture: boolean,
    command: string,
    args: string[],
  ): Promise<string> =>
    new Promise((resolve, reject) => {
      process.stdout.write(`$ ${[command, ...args.map(quote)].join(' ')}\n`);
      const child = spawn(join(ROOT, 'bin', command), args, {
        env: { ...process.env, TAPESTRY_STATE_DIR: stateDir },
        stdio: [input === undefined ? 'ignore' : 'pipe', capture ? 'pipe' : 'inherit', 'inherit'],
      });
      let output = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      child.stdin?.end(input);
      child.once('error', reject);
      child.once('exit', (code) => {
        if (code === 0) resolve(output);
        else reject(new CommandFailed(basename(command), code ?? 1));
      });
    });
  return {
    show: async (command, ...args) => void (await run(undefined, false, command, args)),
    showWithInput: async (input, command, ...args) => void (await run(input, false, command, args)),
    read: async (echoLines, command, ...args) => {
      const output = await run(undefined, true, command, args);
      const lines = output.trimEnd().split('\n');
      for (const line of lines.slice(0, echoLines)) process.stdout.write(`${line}\n`);
      if (lines.length > echoLines)
        process.stdout.write(`… and ${lines.length - echoLines} lines more\n`);
      return output;
    },
  };
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
