// Reads jobs from bpjobd page by page, so that any number of them fits.

import type { Client } from '@tapestry/bus';
import type { JobRow, JobState } from '@tapestry/contracts';

const PAGE = 500;

export interface JobFilter {
  readonly jobIds?: readonly bigint[];
  readonly states?: readonly JobState[];
  readonly sinceMs?: bigint;
}

/** Newest first. */
export async function* eachPage(
  bpjobd: Client<'bpjobd'>,
  filter: JobFilter,
): AsyncGenerator<readonly JobRow[]> {
  let beforeJobId = 0n;
  for (;;) {
    const { jobs, more } = await bpjobd.ListJobs({ ...filter, beforeJobId, limit: PAGE });
    if (jobs.length > 0) yield jobs;
    const last = jobs.at(-1);
    if (!more || last === undefined) return;
    beforeJobId = last.jobId;
  }
}

/** Job ids as NetBackup's options take them: `7`, `7,8,9`. Undefined when one is no number. */
export function parseJobIds(words: readonly string[]): bigint[] | undefined {
  const parts = words.flatMap((word) => word.split(',')).filter((part) => part !== '');
  return parts.every((part) => /^\d{1,18}$/.test(part)) ? parts.map(BigInt) : undefined;
}
