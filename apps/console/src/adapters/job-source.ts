// Asks bpjobd for pages of jobs. What bpjobd cannot filter is filtered here, over a bounded number of its pages: an
// answer may hold fewer rows than asked and still name a next page.

import type { Bus } from '@tapestry/bus';
import type { DetailLine, GetJobReply, JobState } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type JobFilter, matchesFilter } from '../core/job-filter.ts';
import { integer, toApiCounts, toApiJob } from '../core/job-form.ts';
import type { ApiCounts, ApiJob, JobQuery, Outcome } from '../schemas.ts';

/** 500 rows stay far below the bus's largest message. */
const PAGE_ROWS = 500;
const SCAN_PAGES_MAX = 20;

export interface JobRows {
  readonly jobs: ApiJob[];
  readonly next: number | null;
  readonly sequence: number;
  readonly counts: ApiCounts;
}

const STATES_OF: Record<Outcome, JobState> = {
  queued: 'JOB_STATE_QUEUED',
  active: 'JOB_STATE_ACTIVE',
  requeued: 'JOB_STATE_REQUEUED',
  successful: 'JOB_STATE_DONE',
  partial: 'JOB_STATE_DONE',
  failed: 'JOB_STATE_DONE',
  suspended: 'JOB_STATE_SUSPENDED',
  incomplete: 'JOB_STATE_INCOMPLETE',
};

export function filterOf(query: JobQuery): JobFilter {
  const { outcome, type, policy, client, status, since, text } = query;
  return { outcomes: outcome, type, policy, client, status, sinceMs: since, text };
}

/** One page for a query. Errors: 25 bpjobd is not there, 41 it did not answer in time. */
export async function listJobs(bus: Bus, query: JobQuery): Promise<JobRows> {
  const client = bus.client('bpjobd');
  if (query.ids !== undefined) {
    const reply = await client.ListJobs({ jobIds: query.ids.map(BigInt), limit: PAGE_ROWS });
    return {
      jobs: reply.jobs.map(toApiJob),
      next: null,
      sequence: integer(reply.sequence),
      counts: toApiCounts(reply.summary),
    };
  }
  const filter = filterOf(query);
  const states = [...new Set((query.outcome ?? []).map((outcome) => STATES_OF[outcome]))];
  const jobs: ApiJob[] = [];
  let before = query.before ?? 0;
  let first: { sequence: number; counts: ApiCounts } | null = null;
  for (let page = 0; page < SCAN_PAGES_MAX; page += 1) {
    const reply = await client.ListJobs({
      beforeJobId: BigInt(before),
      limit: PAGE_ROWS,
      states,
      policy: query.policy ?? '',
      client: query.client ?? '',
    });
    // The first page's sequence is the safe one: later changes come again over the stream and are harmless.
    first ??= { sequence: integer(reply.sequence), counts: toApiCounts(reply.summary) };
    for (const [index, row] of reply.jobs.entries()) {
      const job = toApiJob(row);
      before = job.jobId;
      if (!matchesFilter(job, filter)) continue;
      jobs.push(job);
      if (jobs.length === query.limit) {
        const more = reply.more || index + 1 < reply.jobs.length;
        return { jobs, next: more ? before : null, ...first };
      }
    }
    if (!reply.more || reply.jobs.length === 0) return { jobs, next: null, ...first };
  }
  if (first === null) throw new StatusError('systemError', 'no page was read');
  return { jobs, next: before, ...first };
}

/** Beyond it the newest lines of a job are left out: bpdbjobs shows them. */
const LINES_MAX = 20_000;
/** bpjobd answers with fewer only when there are no more. */
const LINES_PART_MIN = 20;

/** A job with all its lines, which come in parts. Error: 805. */
export async function readJob(bus: Bus, jobId: number): Promise<GetJobReply> {
  const client = bus.client('bpjobd');
  const reply = await client.GetJob({ jobId: BigInt(jobId) });
  const lines: DetailLine[] = [...reply.lines];
  let part = reply.lines;
  while (part.length >= LINES_PART_MIN && lines.length < LINES_MAX) {
    const afterLine = part.at(-1)!.number;
    part = (await client.GetJob({ jobId: BigInt(jobId), afterLine })).lines;
    lines.push(...part.filter(({ number }) => number > afterLine));
  }
  return { ...reply, lines };
}
