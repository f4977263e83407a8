// Waits for jobs to end and tells how they go: one line rewritten on a screen, else a line for each thing that changes.
// Asks bpjobd at most twice a second, and bears it when bpjobd or the bus is away for a while.

import type { Client } from '@tapestry/bus';
import type { GetJobReply, JobRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';
import { jointStatus, milestone, progressText, type Sample, withSample } from './job-progress.ts';
import type { ProgressLog } from './progress-log.ts';
import { statusLine } from './run-command.ts';

const POLL_MS = 500;
/** A job that was just submitted is not in bpjobd's list at once; a daemon that restarts is away for a while. */
const AWAY_MAX_MS = 60_000;

export interface WaitOptions {
  readonly jobIds: readonly bigint[];
  /** Longest time to wait; the jobs go on after it (41). */
  readonly waitMaxMs: number | undefined;
  readonly log: ProgressLog | undefined;
}

/** The joint status of all jobs. Errors: 41 they have not ended in time. */
export async function waitForJobs(context: Context, options: WaitOptions): Promise<number> {
  const bpjobd = await context.client('bpjobd');
  const watch = new JobWatch(context, options.log);
  const all = options.jobIds.join(', ');
  context.onInterrupt(`Job ${all} goes on; bpdbjobs -cancel ${all.replaceAll(' ', '')} ends it.`);
  const endMs = context.nowMs() + (options.waitMaxMs ?? Number.POSITIVE_INFINITY);
  let heardMs = context.nowMs();
  for (;;) {
    const nowMs = context.nowMs();
    try {
      const replies = await askAll(bpjobd, options.jobIds, watch);
      heardMs = nowMs;
      watch.show(replies, nowMs);
    } catch (error) {
      if (!(error instanceof StatusError) || !mayPass(error) || nowMs - heardMs > AWAY_MAX_MS) {
        watch.endLine();
        throw error;
      }
    }
    const statuses = options.jobIds.map((id) => watch.ended.get(id));
    if (statuses.every((status) => status !== undefined)) return jointStatus(statuses);
    if (nowMs >= endMs) {
      watch.endLine();
      const open = options.jobIds.filter((id) => !watch.ended.has(id)).join(', ');
      throw new StatusError('connectTimedOut', `job ${open} has not ended yet, and goes on`);
    }
    await context.sleep(Math.min(POLL_MS * Math.max(1, options.jobIds.length / 4), 5_000));
  }
}

/** Unknown yet (805), or somebody is away. */
function mayPass(error: StatusError): boolean {
  return error.retryable || error.status === 'jobMissing';
}

async function askAll(
  bpjobd: Client<'bpjobd'>,
  jobIds: readonly bigint[],
  watch: JobWatch,
): Promise<GetJobReply[]> {
  const open = jobIds.filter((jobId) => !watch.ended.has(jobId));
  return await Promise.all(
    open.map((jobId) => bpjobd.GetJob({ jobId, afterLine: watch.lastLine.get(jobId) ?? 0n })),
  );
}

class JobWatch {
  /** Jobs that are done, with their status. */
  readonly ended = new Map<bigint, number>();
  readonly lastLine = new Map<bigint, bigint>();
  readonly #context: Context;
  readonly #log: ProgressLog | undefined;
  readonly #samples = new Map<bigint, readonly Sample[]>();
  readonly #told = new Map<bigint, string>();
  #lineOpen = false;

  constructor(context: Context, log: ProgressLog | undefined) {
    this.#context = context;
    this.#log = log;
  }

  show(replies: readonly GetJobReply[], nowMs: number): void {
    const running: string[] = [];
    for (const { job, lines } of replies) {
      if (job === null) continue;
      for (const line of lines) {
        this.#log?.detail(line);
        this.lastLine.set(job.jobId, line.number);
      }
      const samples = withSample(this.#samples.get(job.jobId) ?? [], {
        atMs: nowMs,
        bytes: job.bytes,
      });
      this.#samples.set(job.jobId, samples);
      const text = progressText(job, samples);
      if (job.state === 'JOB_STATE_DONE') this.#showEnd(job);
      else running.push(text);
      this.#tellChange(job, text);
    }
    if (this.#context.terminal.isScreen && running.length > 0) this.#rewrite(running);
  }

  endLine(): void {
    if (this.#lineOpen) this.#context.out('\n');
    this.#lineOpen = false;
  }

  #showEnd(job: JobRow): void {
    this.ended.set(job.jobId, job.status);
    if (this.#lineOpen) this.#context.out('\r\u001b[K');
    this.#lineOpen = false;
    const amount =
      job.type === 'JOB_TYPE_IMAGE_CLEANUP'
        ? `images removed: ${job.files}`
        : `${(Number(job.bytes) / 1e6).toFixed(1)} MB, ${job.files} files`;
    const end = job.status === 0 ? `done: ${amount}` : `ended with status ${job.status}: ${amount}`;
    this.#context.out(`job ${job.jobId}: ${end}\n`);
    this.#log?.note(`job ${job.jobId} ${end}`);
    if (job.status === 0) return;
    this.#context.error(`${statusLine(job.status, job.statusText)}\n`);
    if (job.statusText !== '') this.#context.error(`  ${job.statusText}\n`);
  }

  #tellChange(job: JobRow, text: string): void {
    const mark = milestone(job);
    if (this.#told.get(job.jobId) === mark || job.state === 'JOB_STATE_DONE') return;
    this.#told.set(job.jobId, mark);
    this.#log?.note(text);
    if (!this.#context.terminal.isScreen) this.#context.out(`${text}\n`);
  }

  #rewrite(running: readonly string[]): void {
    const more = running.length > 1 ? ` (and ${running.length - 1} more)` : '';
    const text = `${running[0]}${more}`.slice(0, Math.max(20, this.#context.terminal.columns - 1));
    this.#context.out(`\r${text}\u001b[K`);
    this.#lineOpen = true;
  }
}
