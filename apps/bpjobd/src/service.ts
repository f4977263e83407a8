// What bpjobd answers: pages of jobs, one job with its tries and lines, and the removal of records.

import type { Handlers } from '@tapestry/bus';
import type {
  GetJobReply,
  GetJobRequest,
  Init,
  ListJobsReply,
  ListJobsRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Kysely } from 'kysely';
import type { Activity } from './activity.ts';
import {
  countStates,
  type Database,
  type LineTable,
  readJob,
  readJobs,
  readLines,
  readTries,
} from './adapters/activity-store.ts';
import { summarize } from './core/view.ts';

export interface ServiceParts {
  readonly activity: Activity;
  readonly db: Kysely<Database>;
}

/** An answer must fit a message of the bus: a row is some 400 bytes. */
const PAGE_MAX = 1_000;
const LINES_MAX = 2_000;
const LINES_BYTES_MAX = 500_000;
/** Counting is the dear part of a page, and nobody sees half a second. */
const SUMMARY_KEEP_MS = 500;

export function bpjobdHandlers({ activity, db }: ServiceParts): Handlers<'bpjobd'> {
  const summary = makeSummary(db);
  return {
    ListJobs: async (request) => await listJobs({ activity, db }, request, summary),
    GetJob: async (request) => await getJob({ activity, db }, request),
    DeleteJobs: async ({ jobIds }) => ({ deleted: await activity.delete(jobIds) }),
  };
}

async function listJobs(
  { activity, db }: ServiceParts,
  request: ListJobsRequest,
  summary: () => Promise<Record<string, bigint>>,
): Promise<Init<ListJobsReply>> {
  const { sequence } = activity;
  const limit = Math.min(request.limit || PAGE_MAX, PAGE_MAX);
  const [found, counts] = await Promise.all([readJobs(db, request, limit), summary()]);
  const jobs = found.slice(0, limit).map(({ row }) => activity.shown(row));
  return { jobs, more: found.length > limit, sequence, summary: counts };
}

async function getJob(
  { activity, db }: ServiceParts,
  { jobId, afterLine }: GetJobRequest,
): Promise<Init<GetJobReply>> {
  const { sequence } = activity;
  const found = await readJob(db, jobId);
  if (found === undefined) {
    throw new StatusError('jobMissing', `there is no record of job ${jobId}`, {
      jobId: String(jobId),
    });
  }
  const lines = await readLines(db, jobId, afterLine, LINES_MAX);
  return {
    job: activity.shown(found.row),
    tries: await readTries(db, jobId),
    lines: withinBytes(lines).map((line) => ({
      ...{ jobId, try: line.try, atMs: BigInt(line.at_ms), producer: line.producer },
      ...{ text: line.text, severity: line.severity, number: line.number },
    })),
    sequence,
  };
}

/** The rest is asked for with the number of the last line. */
function withinBytes(lines: readonly LineTable[]): LineTable[] {
  let bytes = 0;
  return lines.filter((line) => {
    bytes += line.text.length * 3 + 100;
    return bytes <= LINES_BYTES_MAX;
  });
}

function makeSummary(db: Kysely<Database>): () => Promise<Record<string, bigint>> {
  let known: Promise<Record<string, bigint>> | undefined;
  let readAt = 0;
  return () => {
    if (known === undefined || performance.now() - readAt > SUMMARY_KEEP_MS) {
      readAt = performance.now();
      known = countStates(db).then(summarize);
      known.catch(() => {
        known = undefined;
      });
    }
    return known;
  };
}
