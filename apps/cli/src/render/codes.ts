// NetBackup's numbers for kinds of things, where records and options use them.

import type { JobState, JobType, ScheduleType } from '@tapestry/contracts';

export const POLICY_TYPE_CODES: Readonly<Record<string, number>> = { Standard: 0, NDMP: 19 };

const SCHEDULE_TYPES: Readonly<Record<ScheduleType, readonly [number, string, string]>> = {
  SCHEDULE_TYPE_FULL: [0, 'FULL', 'Full Backup'],
  SCHEDULE_TYPE_INCR: [1, 'INCR', 'Differential Incremental Backup'],
  SCHEDULE_TYPE_CINC: [4, 'CINC', 'Cumulative Incremental Backup'],
};

export function codeOfScheduleType(type: ScheduleType): number {
  return SCHEDULE_TYPES[type]?.[0] ?? 0;
}

export function scheduleTypeText(type: ScheduleType): string {
  return SCHEDULE_TYPES[type]?.[2] ?? 'unknown';
}

/** The type that `-st` names, in any case; undefined for one that NDMP policies do not have. */
export function scheduleTypeOf(keyword: string): ScheduleType | undefined {
  const found = Object.entries(SCHEDULE_TYPES).find(([, row]) => row[1] === keyword.toUpperCase());
  return found?.[0] as ScheduleType | undefined;
}

/** The type of a number; undefined for one that NDMP policies do not have. */
export function scheduleTypeByCode(code: number): ScheduleType | undefined {
  const found = Object.entries(SCHEDULE_TYPES).find(([, row]) => row[0] === code);
  return found?.[0] as ScheduleType | undefined;
}

const JOB_STATES: Readonly<Record<JobState, readonly [number, string]>> = {
  JOB_STATE_QUEUED: [0, 'Queued'],
  JOB_STATE_ACTIVE: [1, 'Active'],
  JOB_STATE_REQUEUED: [2, 'Re-Queued'],
  JOB_STATE_DONE: [3, 'Done'],
  JOB_STATE_SUSPENDED: [4, 'Suspended'],
  JOB_STATE_INCOMPLETE: [5, 'Incomplete'],
};

export function codeOfJobState(state: JobState): number {
  return JOB_STATES[state]?.[0] ?? 0;
}

export function jobStateText(state: JobState): string {
  return JOB_STATES[state]?.[1] ?? 'unknown';
}

/** Number (bpdbjobs field 2), and name. */
const JOB_TYPES: Readonly<Record<JobType, readonly [number, string]>> = {
  JOB_TYPE_BACKUP: [0, 'Backup'],
  JOB_TYPE_RESTORE: [2, 'Restore'],
  JOB_TYPE_LABEL: [8, 'Label'],
  JOB_TYPE_ERASE: [9, 'Erase'],
  JOB_TYPE_IMAGE_CLEANUP: [17, 'Image Cleanup'],
};

export function codeOfJobType(type: JobType): number {
  return JOB_TYPES[type][0];
}

export function jobTypeText(type: JobType): string {
  return JOB_TYPES[type][1];
}

/** By the words that nbjm and bpbrm have for what a job does. */
const OPERATIONS: Readonly<Record<string, number>> = {
  ...{ queued: 26, opening: 4, starting: 2, running: 30, mounting: 0, positioning: 1 },
  ...{ connecting: 2, writing: 3, reading: 10, ending: 7, validating: 7, releasing: 7 },
};

/** Field 14 of -all_columns; empty when the job does nothing that has a number. */
export function codeOfOperation(operation: string): string {
  return String(OPERATIONS[operation.toLowerCase()] ?? '');
}

export const DENSITY_CODES: Readonly<Record<string, number>> = {
  ...{ qscsi: 0, hcart: 6, '4mm': 12, dlt: 13, hcart2: 14, dlt2: 15, '8mm': 16 },
  ...{ dtf: 19, hcart3: 20, dlt3: 21 },
};
