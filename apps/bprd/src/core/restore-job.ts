// A plan of bpdbm as the job that nbjm gets: every entry with the place where it goes.

import type {
  Init,
  JobSpec,
  PlanRestoreReply,
  RestoreStep,
  SubmitRestoreRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { renamed } from './rename.ts';

const POLICY_TYPE = 'NDMP';
/** bpdbjobs' field 21: asked for by a user. */
const USER_INITIATED = 2;

/** Errors: 190 nothing to restore. */
export function restoreJob(
  request: SubmitRestoreRequest,
  plan: PlanRestoreReply,
  priority: number,
): Init<JobSpec> {
  const steps = plan.steps.filter((step) => step.entries.length > 0);
  if (steps.length === 0) {
    throw new StatusError('noneMatched', 'no backup in this time span has these files');
  }
  return {
    ...{ type: 'JOB_TYPE_RESTORE', policy: request.policy, policyType: POLICY_TYPE },
    ...{ client: request.client, owner: request.requester?.user ?? '', subtype: USER_INITIATED },
    priority: request.priority || priority,
    restore: {
      destClient: request.destClient || request.client,
      overwrite: !request.keepExisting,
      steps: steps.map((step) => withDestinations(step, request)),
    },
  };
}

function withDestinations(step: RestoreStep, { renames }: SubmitRestoreRequest): RestoreStep {
  const entries = step.entries.map((entry) => ({
    ...entry,
    destinationPath: renamed(entry.originalPath, renames),
  }));
  return { ...step, entries };
}
