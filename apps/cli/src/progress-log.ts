// The progress log that -L names: what happened to a job, line by line, for reading later.

import { appendFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DetailLine } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';
import { formatDateTime } from './date-time.ts';
import { detailText } from './render/job.ts';

export class ProgressLog {
  readonly #file: string;
  readonly #nowMs: () => number;

  /** Error: 12 when it cannot be written: told before anything is started. */
  constructor(context: Context, file: string) {
    this.#file = resolve(context.cwd, file);
    this.#nowMs = () => context.nowMs();
    this.#append('');
  }

  note(text: string): void {
    this.#append(`${formatDateTime(Math.floor(this.#nowMs() / 1000))} - ${text}\n`);
  }

  detail(line: DetailLine): void {
    this.#append(`${detailText(line)}\n`);
  }

  #append(text: string): void {
    try {
      appendFileSync(this.#file, text);
    } catch (cause) {
      throw new StatusError(
        'fileOpenFailed',
        `the log ${this.#file} cannot be written`,
        {},
        { cause },
      );
    }
  }
}
