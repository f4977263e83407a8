// What a job's state is called, everywhere alike: never by colour alone.

import type { Job } from './api.ts';
import { capital, clockTime } from './words.ts';

export type Look =
  | 'queued'
  | 'waiting'
  | 'preparing'
  | 'moving'
  | 'requeued'
  | 'successful'
  | 'partial'
  | 'failed'
  | 'suspended'
  | 'incomplete'
  /** Of volumes: partly written, without room, free for all, not to be written for one reason or another. */
  | 'active'
  | 'full'
  | 'scratch'
  | 'halted'
  | 'frozen'
  | 'expired'
  | 'cleaning'
  /** Nobody knows. */
  | 'unknown';

const MOVING = new Set(['writing', 'reading', 'ending']);

/** nbjm's longer words, cut to what fits a cell; others are shown as they are. */
const OPERATIONS: Readonly<Record<string, string>> = {
  'requesting resources': 'Waiting',
  'opening image': 'Opening',
  'validating image': 'Validating',
  'releasing resources': 'Releasing',
};

/** The shape and colour of a state. */
export function lookOf(job: Job): Look {
  if (job.outcome === 'queued') return job.reason === '' ? 'queued' : 'waiting';
  if (job.outcome === 'active') {
    if (job.operation === 'requesting resources') return 'waiting';
    return MOVING.has(job.operation) ? 'moving' : 'preparing';
  }
  return job.outcome;
}

/** A word or two, for a table cell. */
export function stateWords(job: Job): string {
  if (job.cancelling && job.state !== 'done') return 'Cancelling';
  switch (job.outcome) {
    case 'queued':
      return job.reason === '' ? 'Queued' : 'Waiting';
    case 'active':
      return OPERATIONS[job.operation] ?? (capital(job.operation) || 'Active');
    case 'requeued':
      return job.retryAtMs === null
        ? 'Waits to retry'
        : `Retry ${clockTime(job.retryAtMs).slice(0, 5)}`;
    case 'successful':
      return 'Done 0';
    case 'partial':
      return 'Done 1, partly';
    case 'failed':
      return `Failed ${job.status ?? ''}`.trim();
    case 'suspended':
      return 'Suspended';
    case 'incomplete':
      return 'Incomplete';
  }
}

/** Why the job stands where it stands; empty when there is nothing to say. */
export function reasonWords(job: Job): string {
  if (job.reason !== '' && job.state !== 'done') return job.reason;
  if (job.status !== null && job.status !== 0) {
    return `${capital(job.statusText) || 'Status'} (${job.status})`;
  }
  return '';
}

/** What the job has been busy for, until now or its end; null before its start. */
export function elapsedMs(job: Job, nowMs: number): number | null {
  if (job.startedMs === null) return null;
  return (job.endedMs ?? nowMs) - job.startedMs;
}

/** 0 to 1, or null while the size is not known. */
export function progressOf(job: Job): number | null {
  if (job.outcome === 'successful') return 1;
  if (job.bytesExpected <= 0) return null;
  // An estimate may be short of the truth: only the end is 100 %.
  return Math.min(0.99, job.bytes / job.bytesExpected);
}

export function cancellable(job: Job): boolean {
  return job.state !== 'done' && !job.cancelling;
}
