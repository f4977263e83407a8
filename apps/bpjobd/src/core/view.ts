// What does the Activity Monitor show? A job's row as nbjm told it, with the progress of its current run on top. It
// promises that progress never changes a job that is over, nor one that has gone on to another try or step.

import type { Init, JobProgress, JobRow, TryRow } from '@tapestry/contracts';
import { STATUS } from '@tapestry/status';

export type Progress = Pick<
  JobProgress,
  'attempt' | 'operation' | 'bytes' | 'files' | 'bytesExpected'
>;

/** From this step on nbjm's row holds the counts of the run itself. */
const RUN_IS_OVER = 9;

const FLOW_STEPS: Readonly<Record<string, number>> = {
  mounting: 6,
  positioning: 7,
  connecting: 7,
  writing: 8,
  reading: 8,
  ending: 8,
};

/** Whether progress is about the run that the row shows. */
export function concerns(row: JobRow, { attempt }: Progress): boolean {
  return (
    row.state === 'JOB_STATE_ACTIVE' &&
    row.flowStep < RUN_IS_OVER &&
    attempt !== null &&
    attempt.jobId === row.jobId &&
    attempt.try === row.try &&
    attempt.step === row.step
  );
}

/** Counts of earlier steps of a restore stay in the row; those of the run are added. */
export function merged(row: JobRow, progress: Progress | undefined): JobRow {
  if (progress === undefined || !concerns(row, progress)) return withLastCounts(row, progress);
  return {
    ...row,
    bytes: row.bytes + progress.bytes,
    files: row.files + progress.files,
    bytesExpected: row.bytesExpected === 0n ? progress.bytesExpected : row.bytesExpected,
    operation: row.cancelling ? row.operation : progress.operation,
    flowStep: Math.max(row.flowStep, FLOW_STEPS[progress.operation] ?? 0),
  };
}

/**
 * What a try that failed had moved: nbjm counts only what runs report when they end well. Never less than nbjm's own
 * numbers, and never those of another try.
 */
export function withLastCounts(row: JobRow, progress: Progress | undefined): JobRow {
  const wentWell = row.state === 'JOB_STATE_DONE' && outcomeOf(row.status) !== 'failed';
  const { attempt, bytes = 0n, files = 0n } = progress ?? {};
  if (wentWell || row.state === 'JOB_STATE_QUEUED' || attempt?.try !== row.try) return row;
  return {
    ...row,
    bytes: atLeast(row.bytes, bytes),
    files: atLeast(row.files, files),
  };
}

function atLeast(value: bigint, least: bigint): bigint {
  if (value < least) return least;
  return value;
}

/** The current try of a row; its status counts only once the try has ended. */
export function tryOf(row: JobRow): Init<TryRow> {
  const ended = row.state === 'JOB_STATE_REQUEUED' || row.state === 'JOB_STATE_DONE';
  return {
    ...{ try: row.try, startedMs: row.startedMs, endedMs: ended ? row.endedMs : 0n },
    ...{ status: ended ? row.status : 0, statusText: ended ? row.statusText : '' },
    ...{ mediaServer: row.mediaServer, storageUnit: row.storageUnit },
    ...{ bytes: row.bytes, files: row.files, mediaId: row.mediaId, drive: row.drive },
  };
}

/** How many jobs there are of a state and, when done, of a status. */
export interface StateCount {
  readonly state: JobRow['state'];
  readonly status: number;
  readonly count: bigint;
}

/** NetBackup's buckets: queued, requeued, active, done = successful + partial + failed, and all together. */
export function summarize(counts: readonly StateCount[]): Record<string, bigint> {
  const summary: Record<string, bigint> = {
    ...{ queued: 0n, active: 0n, requeued: 0n, suspended: 0n, incomplete: 0n },
    ...{ done: 0n, successful: 0n, partial: 0n, failed: 0n, total: 0n },
  };
  for (const { state, status, count } of counts) {
    const name = state.replace('JOB_STATE_', '').toLowerCase();
    const add = (key: string) => {
      summary[key] = (summary[key] ?? 0n) + count;
    };
    add(name);
    add('total');
    if (name === 'done') add(outcomeOf(status));
  }
  return summary;
}

function outcomeOf(status: number): 'successful' | 'partial' | 'failed' {
  if (status === STATUS.ok.code) return 'successful';
  return status === STATUS.partial.code ? 'partial' : 'failed';
}
