// What the filer says while it works: its lines become job details, the last of them explain a failure.

import type { Bus } from '@tapestry/bus';
import { LOG_TYPE, type LogMessage } from '@tapestry/ndmp';
import { tellDetail } from '@tapestry/runtime';
import type { Lease } from '@tapestry/runtime/fence';
import { pause } from '@tapestry/runtime/until-answered';

/** A filer that complains about each of a million files must not fill the job's details. */
const LINES_MAX = 1_000;
const TAIL_LINES = 5;
const LINE_MAX_CHARS = 1_000;

export type Severity = 'info' | 'warning' | 'error';

export class FilerLog {
  readonly #bus: Bus;
  readonly #lease: Lease;
  #lines = 0;
  #tail: string[] = [];
  #onLine = (): void => undefined;

  constructor(bus: Bus, lease: Lease) {
    this.#bus = bus;
    this.#lease = lease;
  }

  /** The last lines that were no debugging, oldest first. */
  get tail(): readonly string[] {
    return this.#tail;
  }

  /** Resolves with the next line that counts, or after `timeoutMs`. */
  async nextLine(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const heard = new AbortController();
    this.#onLine = () => heard.abort();
    await pause(timeoutMs, AbortSignal.any([signal, heard.signal]));
  }

  /** What was said so far explains nothing that follows. */
  forgetTail(): void {
    this.#tail = [];
  }

  hear({ logType, entry }: LogMessage): void {
    const text = printable(entry).slice(0, LINE_MAX_CHARS);
    if (text === '' || logType === LOG_TYPE.debug) return;
    this.#tail = [...this.#tail, text].slice(-TAIL_LINES);
    this.#onLine();
    this.#lines += 1;
    if (this.#lines > LINES_MAX) return;
    const severity = logType === LOG_TYPE.error ? 'error' : 'info';
    const shown = logType === LOG_TYPE.warning ? 'warning' : severity;
    this.tell(`log-${this.#lines}`, text, shown);
    if (this.#lines === LINES_MAX) {
      this.tell('log-end', 'the filer says more: the rest is left out here', 'warning');
    }
  }

  tell(key: string, text: string, severity: Severity = 'info'): void {
    const { attempt } = this.#lease;
    tellDetail(this.#bus, { attempt, producer: 'ndmpagent', text, key, severity });
  }
}

/** A hostile peer's text goes to screens and logs: no control characters, no broken text. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
}
