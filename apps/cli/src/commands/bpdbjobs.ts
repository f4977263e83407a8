// bpdbjobs: what the Activity Monitor shows, for people and for programs.

import type { GetJobReply, JobRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Context, command } from '../command.ts';
import { eachPage, type JobFilter, parseJobIds } from '../job-list.ts';
import { type ParsedLine, usage } from '../option-table.ts';
import {
  allColumns,
  jobLong,
  jobShort,
  jobTable,
  mostColumns,
  summaryLong,
  summaryRecord,
} from '../render/job.ts';
import { statusLine } from '../run-command.ts';

/** Jobs that are asked for at once when a format needs more than their rows. */
const AT_ONCE = 8;

const OPTIONS = {
  report: { kind: 'flag', help: 'list jobs (what it does when nothing is said)' },
  summary: { kind: 'flag', help: 'count them' },
  jobid: { kind: 'list', value: 'ID[,ID]', help: 'these jobs only' },
  hoursago: { kind: 'number', value: 'N', help: 'jobs of the last N hours' },
  all_columns: { kind: 'flag', help: 'every field, parted by commas' },
  most_columns: { kind: 'flag', help: 'the same without file lists and tries' },
  L: { kind: 'flag', help: 'long listing with all lines of a job' },
  l: { kind: 'flag', help: 'short records for programs' },
  U: { kind: 'flag', help: 'listing for people' },
  cancel: { kind: 'list', value: 'ID[,ID]', help: 'end jobs' },
  cancel_all: { kind: 'flag', help: 'end all jobs that are not done' },
  delete: { kind: 'list', value: 'ID[,ID]', help: 'forget jobs that are done' },
  ignore_parent_jobs: { kind: 'flag', help: 'accepted; jobs have no parents' },
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const bpdbjobs = command({
  purpose: 'list, count, cancel or delete jobs',
  synopsis: [
    '[-report] [-all_columns | -most_columns | -L | -l | -U] [-jobid ID,...] [-hoursago N]',
    '-summary [-all_columns | -L | -l | -U]',
    '-cancel ID,... | -cancel_all | -delete ID,...',
  ],
  options: OPTIONS,
  example: 'bpdbjobs -report -jobid 12 -L',
  async run({ options }, context) {
    const verbs = [options.summary, options.cancel, options.cancel_all, options.delete];
    if (verbs.filter(Boolean).length > 1) throw usage('one thing at a time');
    if (options.cancel !== undefined) return await cancel(context, idsOf(options.cancel));
    if (options.cancel_all) return await cancelAll(context);
    if (options.delete !== undefined) return await remove(context, idsOf(options.delete));
    if (options.summary) return await summarize(options, context);
    return await report(options, context);
  },
});

function idsOf(words: readonly string[]): bigint[] {
  const ids = parseJobIds(words);
  if (ids === undefined) throw usage(`'${words.join(' ')}' are not job ids`);
  return ids;
}

async function summarize(options: Line, context: Context): Promise<number> {
  const { summary } = await (await context.client('bpjobd')).ListJobs({ limit: 1 });
  if (options.all_columns) context.out(summaryRecord(summary, ','));
  else context.out(options.l ? summaryRecord(summary, ' ') : summaryLong(summary));
  return 0;
}

async function report(options: Line, context: Context): Promise<number> {
  const bpjobd = await context.client('bpjobd');
  const hours = options.hoursago;
  const filter: JobFilter = {
    ...(options.jobid === undefined ? {} : { jobIds: idsOf(options.jobid) }),
    ...(hours === undefined ? {} : { sinceMs: BigInt(context.nowMs() - hours * 3_600_000) }),
  };
  const found = new Set<bigint>();
  const shown: JobRow[] = [];
  for await (const jobs of eachPage(bpjobd, filter)) {
    for (const job of jobs) found.add(job.jobId);
    if (options.all_columns || options.L) await printWhole(options, context, jobs);
    else if (options.most_columns) {
      context.out(jobs.map((job) => mostColumns(job, context.nowMs())).join(''));
    } else if (options.l) context.out(jobs.map(jobShort).join(''));
    else shown.push(...jobs);
  }
  const missing = filter.jobIds?.find((id) => !found.has(id));
  if (missing !== undefined) throw new StatusError('jobMissing', `there is no job ${missing}`);
  if (shown.length > 0) context.out(jobTable(shown, context.nowMs()));
  return 0;
}

async function printWhole(options: Line, context: Context, jobs: readonly JobRow[]): Promise<void> {
  const bpjobd = await context.client('bpjobd');
  for (let at = 0; at < jobs.length; at += AT_ONCE) {
    const replies = await Promise.all(
      jobs.slice(at, at + AT_ONCE).map(({ jobId }) => bpjobd.GetJob({ jobId })),
    );
    const text = (reply: GetJobReply): string =>
      options.L ? `${jobLong(reply, context.nowMs())}\n` : allColumns(reply, context.nowMs());
    context.out(replies.map(text).join(''));
  }
}

/** Ends each; what cannot be ended is told, and the first such status is the answer. */
async function cancel(context: Context, ids: readonly bigint[]): Promise<number> {
  const nbjm = await context.client('nbjm');
  let status = 0;
  for (const jobId of ids) {
    try {
      await nbjm.CancelJob({ jobId, requester: context.user });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      context.error(`job ${jobId}: ${statusLine(error.code)}\n  ${error.detail}\n`);
      if (status === 0) status = error.code;
    }
  }
  return status;
}

async function cancelAll(context: Context): Promise<number> {
  const states = ['JOB_STATE_QUEUED', 'JOB_STATE_ACTIVE', 'JOB_STATE_REQUEUED'] as const;
  const ids: bigint[] = [];
  for await (const jobs of eachPage(await context.client('bpjobd'), { states })) {
    ids.push(...jobs.map(({ jobId }) => jobId));
  }
  return await cancel(context, ids);
}

async function remove(context: Context, jobIds: readonly bigint[]): Promise<number> {
  const { deleted } = await (await context.client('bpjobd')).DeleteJobs({ jobIds });
  if (deleted < jobIds.length) {
    const left = jobIds.length - deleted;
    throw new StatusError('notFound', `${left} of ${jobIds.length} are unknown or not done: kept`);
  }
  return 0;
}
