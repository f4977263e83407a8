// What is told of jobs while somebody waits for them. Pure: rows and times in, lines out.

import type { JobRow } from '@tapestry/contracts';
import { stateText } from './render/job.ts';

export interface Sample {
  readonly atMs: number;
  readonly bytes: bigint;
}

const RATE_WINDOW_MS = 5_000;

/** Samples with a new one, and without those older than the window that rates are taken over. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const kept = samples.filter(({ atMs }) => atMs > sample.atMs - RATE_WINDOW_MS);
  // A new try starts again at nothing.
  return kept.some(({ bytes }) => bytes > sample.bytes) ? [sample] : [...kept, sample];
}

export function rateBytesS(samples: readonly Sample[]): number {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
  return (Number(last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs);
}

/** `job 7: Active, writing: 312.4 MB, 98.1 MB/s, 1234 files` */
export function progressText(job: JobRow, samples: readonly Sample[]): string {
  const what = job.state === 'JOB_STATE_ACTIVE' && job.operation !== '' ? `, ${job.operation}` : '';
  const waits = job.state !== 'JOB_STATE_ACTIVE' || job.operation === 'queued';
  const why = waits && job.stateDetails !== '';
  const head = `job ${job.jobId}: ${stateText(job)}${what}${why ? ` (${job.stateDetails})` : ''}`;
  if (job.bytes === 0n) return head;
  const rate = rateBytesS(samples);
  const speed = rate > 0 ? `, ${megabytes(rate)} MB/s` : '';
  return `${head}: ${megabytes(Number(job.bytes))} MB${speed}, ${job.files} files`;
}

/** What changes of a job are worth a line of their own where lines are not rewritten. */
export function milestone(job: JobRow): string {
  return [job.state, job.cancelling, job.try, job.step, job.operation, job.stateDetails].join('|');
}

/** 0 when all went well; the status when all ended alike; 1 when some did and others not. */
export function jointStatus(statuses: readonly number[]): number {
  const failed = statuses.filter((status) => status !== 0);
  if (failed.length === 0) return 0;
  return failed.length === statuses.length ? (failed[0] ?? 0) : 1;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
