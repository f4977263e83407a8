// From bpjobd's rows to the form that the page shows. Promises safe integers: a number above 2^53 is a bug of
// whoever counted it, not something to round quietly.

import assert from 'node:assert/strict';
import type { DetailLine, JobRow, TryRow } from '@tapestry/contracts';
import type { ApiCounts, ApiJob, ApiLine, ApiTry, Outcome } from '../schemas.ts';

export function integer(value: bigint): number {
  const number = Number(value);
  assert(Number.isSafeInteger(number), `${value} does not fit a number`);
  return number;
}

/** Contracts spell "no time yet" as 0. */
export function timeOrNull(value: bigint): number | null {
  return value === 0n ? null : integer(value);
}

const STATES = {
  JOB_STATE_QUEUED: 'queued',
  JOB_STATE_ACTIVE: 'active',
  JOB_STATE_REQUEUED: 'requeued',
  JOB_STATE_DONE: 'done',
  JOB_STATE_SUSPENDED: 'suspended',
  JOB_STATE_INCOMPLETE: 'incomplete',
} as const satisfies Record<JobRow['state'], ApiJob['state']>;

const SCHEDULE_TYPES = {
  SCHEDULE_TYPE_FULL: 'full',
  SCHEDULE_TYPE_INCR: 'incremental',
  SCHEDULE_TYPE_CINC: 'cumulative',
} as const satisfies Record<JobRow['scheduleType'], ApiJob['scheduleType']>;

const TYPES = {
  JOB_TYPE_BACKUP: 'backup',
  JOB_TYPE_RESTORE: 'restore',
  JOB_TYPE_LABEL: 'label',
  JOB_TYPE_ERASE: 'erase',
  JOB_TYPE_IMAGE_CLEANUP: 'cleanup',
} as const satisfies Record<JobRow['type'], ApiJob['type']>;

export function outcomeOf(state: ApiJob['state'], status: number): Outcome {
  if (state !== 'done') return state;
  if (status === 0) return 'successful';
  return status === 1 ? 'partial' : 'failed';
}

export function toApiJob(row: JobRow): ApiJob {
  const state = STATES[row.state];
  const ended = state === 'done' || row.status !== 0;
  return {
    jobId: integer(row.jobId),
    type: TYPES[row.type],
    state,
    outcome: outcomeOf(state, row.status),
    status: ended ? row.status : null,
    statusText: row.statusText,
    policy: row.policy,
    policyType: row.policyType,
    schedule: row.schedule,
    scheduleType: SCHEDULE_TYPES[row.scheduleType],
    client: row.client,
    destClient: row.destClient,
    path: row.path,
    owner: row.owner,
    priority: row.priority,
    mediaServer: row.mediaServer,
    storageUnit: row.storageUnit,
    mediaId: row.mediaId,
    drive: row.drive,
    backupId: row.backupId,
    submittedMs: timeOrNull(row.submittedMs),
    startedMs: timeOrNull(row.startedMs),
    endedMs: timeOrNull(row.endedMs),
    retryAtMs: timeOrNull(row.retryAtMs),
    try: row.try,
    step: row.step,
    steps: row.steps,
    flowStep: row.flowStep,
    operation: row.operation,
    bytes: integer(row.bytes),
    bytesExpected: integer(row.bytesExpected),
    files: integer(row.files),
    reason: row.stateDetails,
    cancelling: row.cancelling,
  };
}

export function toApiTry(row: TryRow): ApiTry {
  return {
    try: row.try,
    startedMs: timeOrNull(row.startedMs),
    endedMs: timeOrNull(row.endedMs),
    status: row.status,
    statusText: row.statusText,
    mediaServer: row.mediaServer,
    storageUnit: row.storageUnit,
    mediaId: row.mediaId,
    drive: row.drive,
    bytes: integer(row.bytes),
    files: integer(row.files),
  };
}

export function toApiLine(line: DetailLine): ApiLine {
  return {
    jobId: integer(line.jobId),
    number: integer(line.number),
    try: line.try,
    atMs: integer(line.atMs),
    producer: line.producer,
    severity: line.severity === '' ? 'info' : line.severity,
    text: line.text,
  };
}

/** bpjobd's summary by the labels of `bpdbjobs -summary`, in any spelling of case, dash and blank. */
const SUMMARY_KEYS: Record<string, keyof ApiCounts> = {
  queued: 'queued',
  active: 'active',
  requeued: 'requeued',
  waitingtoretry: 'requeued',
  successful: 'successful',
  partiallysuccessful: 'partial',
  partial: 'partial',
  failed: 'failed',
  suspended: 'suspended',
  incomplete: 'incomplete',
};

export function toApiCounts(summary: Readonly<Record<string, bigint>>): ApiCounts {
  const counts: ApiCounts = {
    ...{ queued: 0, active: 0, requeued: 0, successful: 0, partial: 0 },
    ...{ failed: 0, suspended: 0, incomplete: 0, total: 0 },
  };
  for (const [label, count] of Object.entries(summary)) {
    const key = SUMMARY_KEYS[label.toLowerCase().replaceAll(/[^a-z]/g, '')];
    if (key === undefined) continue;
    counts[key] += integer(count);
    counts.total += integer(count);
  }
  return counts;
}
