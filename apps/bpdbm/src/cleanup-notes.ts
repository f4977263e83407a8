// What a cleanup tells in the details of its job.

import type { Parts } from './parts.ts';

/** The lines of the job, each once. */
export class Notes {
  readonly problems: string[] = [];
  readonly #parts: Parts;
  readonly #jobId: bigint;

  constructor(parts: Parts, jobId: bigint) {
    this.#parts = parts;
    this.#jobId = jobId;
  }

  info(text: string): void {
    this.#parts.tellLine({ jobId: this.#jobId, key: text, text });
  }

  warn(text: string): void {
    this.#parts.tellLine({ jobId: this.#jobId, key: text, text, severity: 'warning' });
  }

  /** A warning that makes the job a partial success. */
  problem(text: string): void {
    if (this.problems.includes(text)) return;
    this.problems.push(text);
    this.warn(text);
  }
}

const LISTED_MAX = 20;

/** Not more names than a person reads. */
export function listed(names: readonly string[]): string {
  const rest = names.length - LISTED_MAX;
  return rest > 0 ? `${names.slice(0, LISTED_MAX).join(', ')} and ${rest} more` : names.join(', ');
}
