// What the start of a data operation is given, and what its refusal means.

import { NdmpError } from '@tapestry/ndmp';
import type { StatusError } from '@tapestry/status';
import { callFailure } from './core/outcome.ts';
import type { Filer } from './filer.ts';
import type { SessionContext } from './session-context.ts';

export interface DataStart {
  readonly context: SessionContext;
  readonly filer: Filer;
  readonly host: string;
  readonly isRestore: boolean;
}

/** A filer that refuses a start may say why only afterwards. */
const LATE_WORDS_MS = 1_000;

/** A start that was refused, with the words that the filer says before or shortly after. */
export async function startFailure(
  error: unknown,
  { context, host, isRestore }: DataStart,
  doing: string,
): Promise<StatusError> {
  const { filerLog: log, signal } = context;
  const isRefused = error instanceof NdmpError && error.failure === 'refused';
  if (isRefused && log.tail.length === 0) await log.nextLine(LATE_WORDS_MS, signal);
  return callFailure(error, { host, doing, logTail: log.tail, isRestore });
}
