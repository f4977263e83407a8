// What a command is, and what it is given to work with. A command reads its line, asks daemons and prints; it opens
// no connection of its own and reads no environment.

import type { Bus, Client } from '@tapestry/bus';
import type { ServiceName } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { OptionTable, ParsedLine } from './option-table.ts';

export interface Command<T extends OptionTable = OptionTable> {
  /** What it is for, in one line. */
  readonly purpose: string;
  /** How it is called, without the command's name: one line a form. */
  readonly synopsis: readonly string[];
  readonly options: T;
  /** How many words it takes beside its options; 0 when left out. */
  readonly operandsMax?: number;
  /** An example for -help. */
  readonly example: string;
  /** Answers the status of the work: 0, or a NetBackup code. Throws StatusError. */
  run(line: ParsedLine<T>, context: Context): Promise<number>;
}

export interface Context {
  /** Name of the command, for messages. */
  readonly name: string;
  out(text: string): void;
  error(text: string): void;
  client<S extends ServiceName>(service: S, host?: string): Promise<Client<S>>;
  bus(): Promise<Bus>;
  /** The media server of this machine. */
  host(): Promise<string>;
  readonly user: string;
  readonly machine: string;
  readonly cwd: string;
  readonly terminal: Terminal;
  /** What a person is told who interrupts the command from now on (Ctrl-C). */
  onInterrupt(text: string): void;
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

export interface Terminal {
  /** True when a person looks at the output. */
  readonly isScreen: boolean;
  /** True when a person can be asked, who sees nothing of a secret that is typed. */
  readonly isAsked: boolean;
  readonly columns: number;
  /** A line that a person types, or the first that is piped in; empty when there is none. */
  ask(question: string): Promise<string>;
  /** Every line that a person types, or that is piped in. */
  lines(): AsyncIterable<string>;
  /**
   * A secret from a file when one is named, else asked for without echo on a terminal, else the first line of what
   * is piped in. Never from the command line, where other users would see it.
   */
  secret(question: string, file: string | undefined): Promise<string>;
}

/** Keeps the option names of a command known to its `run`. */
export function command<const T extends OptionTable>(definition: Command<T>): Command {
  return definition as unknown as Command;
}

/** Text that every list command ends with when nothing matched. Error: 227. */
export function requireSome<T>(rows: readonly T[], what: string): readonly T[] {
  if (rows.length === 0) throw new StatusError('notFound', what);
  return rows;
}
