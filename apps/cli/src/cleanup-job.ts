// A cleanup of images that a command asked for: waited for to its end, and what it told on the way.

import type { Context } from './command.ts';
import { waitForJobs } from './job-wait.ts';

/** @returns its status */
export async function cleanUpAndWait(context: Context): Promise<number> {
  const bpdbm = await context.client('bpdbm');
  const { jobId } = await bpdbm.CleanUpImages({ requester: context.user });
  const jobIds = [jobId];
  const status = await waitForJobs(context, { jobIds, waitMaxMs: undefined, log: undefined });
  const { lines } = await (await context.client('bpjobd')).GetJob({ jobId });
  context.out(lines.map(({ text }) => `  ${text}\n`).join(''));
  return status;
}
