// The start of a data operation: the filer connects to our mover, and begins. In v2 the start itself connects.

import type { Address } from '@tapestry/contracts';
import { NdmpError } from '@tapestry/ndmp';
import type { StatusError } from '@tapestry/status';
import { requireDataConnection } from './core/filer-choice.ts';
import { callFailure } from './core/outcome.ts';
import type { Filer } from './filer.ts';
import type { FilerLog } from './filer-log.ts';
import { moverEndpoints } from './mover-endpoints.ts';

export interface DataStart {
  readonly filer: Filer;
  readonly host: string;
  readonly log: FilerLog;
  readonly isRestore: boolean;
  readonly signal: AbortSignal;
}

/** A filer that refuses a start may say why only afterwards. */
const LATE_WORDS_MS = 1_000;

/** Errors: 47 no IPv4 address; 99, 2813 the filer cannot connect. */
export async function connectData(
  { filer, host, log, isRestore, signal }: DataStart,
  addresses: readonly Address[],
): Promise<void> {
  requireDataConnection(host, filer.quirks, filer.connectionTypes);
  const endpoints = await moverEndpoints(addresses);
  const where = endpoints.map((each) => `${each.host} port ${each.port}`).join(', ');
  await filer.client.dataConnect({ type: 'tcp', endpoints }, { signal }).catch((error: unknown) => {
    const doing = `connect to this media server at ${where}`;
    throw callFailure(error, { host, doing, logTail: log.tail, isRestore });
  });
}

/** A start that was refused, with the words that the filer says before or shortly after. */
export async function startFailure(
  error: unknown,
  { host, log, isRestore, signal }: DataStart,
  doing: string,
): Promise<StatusError> {
  const isRefused = error instanceof NdmpError && error.failure === 'refused';
  if (isRefused && log.tail.length === 0) await log.nextLine(LATE_WORDS_MS, signal);
  return callFailure(error, { host, doing, logTail: log.tail, isRestore });
}
