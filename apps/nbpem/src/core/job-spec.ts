// A task as the job that nbjm gets: everything that the policy says about it, fixed at this moment.

import type { Init, JobSpec, Policy, Schedule } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Selection } from './selections.ts';

export const POLICY_TYPE = 'NDMP';
const DEFAULT_POOL = 'NetBackup';

export interface Task {
  readonly policy: Policy;
  readonly schedule: Schedule;
  readonly client: string;
  readonly selection: Selection;
  /** 0 run at once by somebody, 1 by a schedule. */
  readonly subtype: 0 | 1;
  readonly owner: string;
  readonly keyword: string;
  /** Infinity for a job that may start whenever resources are free. */
  readonly startBeforeMs: number;
  /** 0 for no limit. */
  readonly maxJobsPerClient: number;
}

export function jobSpec(task: Task): Init<JobSpec> {
  const { policy, schedule, selection, startBeforeMs } = task;
  return {
    ...{ type: 'JOB_TYPE_BACKUP', policy: policy.name, policyType: policy.type },
    ...{ schedule: schedule.name, scheduleType: schedule.type, client: task.client },
    ...{ priority: policy.priority, owner: task.owner, subtype: task.subtype },
    keyword: task.keyword || policy.keyword,
    backup: {
      ...{ path: selection.path, env: selection.env },
      storageUnit: schedule.residence || policy.residence,
      pool: schedule.pool || policy.pool || DEFAULT_POOL,
      retentionLevel: schedule.retentionLevel,
      maxJobsPerPolicy: policy.maxJobs,
      maxJobsPerClient: task.maxJobsPerClient,
      maxMpx: schedule.multiplexing,
    },
    startBeforeMs: Number.isFinite(startBeforeMs) ? BigInt(Math.trunc(startBeforeMs)) : 0n,
  };
}

/**
 * The schedule and clients of a run at once. Without a schedule named, the rarest full one; without a client, all.
 * Errors: 247 inactive, 16 a type that this release does not run, 197, 240, 239.
 */
export function chooseRun(
  policy: Policy,
  wanted: { readonly schedule: string; readonly client: string },
): { schedule: Schedule; clients: string[] } {
  if (!policy.active) throw new StatusError('policyInactive', `policy ${policy.name} is inactive`);
  if (policy.type !== POLICY_TYPE) {
    throw new StatusError('notImplemented', `policies of type ${policy.type} cannot be run`);
  }
  return { schedule: chooseSchedule(policy, wanted.schedule), clients: clientsOf(policy, wanted) };
}

function chooseSchedule(policy: Policy, name: string): Schedule {
  if (name !== '') {
    const named = policy.schedules.find((schedule) => schedule.name === name);
    if (named !== undefined) return named;
    throw new StatusError('scheduleMissing', `policy ${policy.name} has no schedule ${name}`);
  }
  const fulls = policy.schedules.filter((schedule) => schedule.type === 'SCHEDULE_TYPE_FULL');
  const [rarest] = fulls.sort((a, b) => b.frequencyS - a.frequencyS);
  if (rarest !== undefined) return rarest;
  throw new StatusError(
    'noScheduleOfType',
    `policy ${policy.name} has no full schedule: name the one to run`,
  );
}

function clientsOf(policy: Policy, { client }: { readonly client: string }): string[] {
  if (client === '') {
    if (policy.clients.length > 0) return [...policy.clients];
    throw new StatusError('clientNotInPolicy', `policy ${policy.name} has no clients`);
  }
  if (policy.clients.includes(client)) return [client];
  throw new StatusError('clientNotInPolicy', `${client} is not a client of policy ${policy.name}`);
}
