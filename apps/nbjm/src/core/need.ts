// What an attempt needs of the outside: the resource request that nbrb gets, and the run that a media server gets.

import type { Init, JobSpec, ResourceRequest, RunSpec } from '@tapestry/contracts';
import { attemptOf, isBackup, type Job, type Phase } from './state.ts';

/** The request of the job's current attempt. */
export function resourceRequest(job: Job): Init<ResourceRequest> {
  const { spec } = job;
  const common = {
    attempt: attemptOf(job),
    priority: spec.priority,
    client: spec.client,
    policy: spec.policy,
    requestedMs: BigInt(job.submittedMs),
    avoidMediaIds: job.avoidMediaIds,
  };
  if (!isBackup(job)) {
    const fragment = spec.restore?.steps[job.step]?.fragments[0];
    return {
      ...common,
      mode: 'DRIVE_MODE_READ',
      mediaId: fragment?.mediaId ?? '',
      // What a mover wrote, a mover reads.
      ndmp: fragment?.layout === 'FRAGMENT_LAYOUT_MOVER',
      disk: fragment?.layout === 'FRAGMENT_LAYOUT_DISK',
      counters: [],
    };
  }
  return {
    ...common,
    mode: 'DRIVE_MODE_WRITE',
    ndmp: spec.policyType === 'NDMP',
    storageUnit: spec.backup?.storageUnit ?? '',
    pool: spec.backup?.pool ?? '',
    retentionLevel: spec.backup?.retentionLevel ?? 0,
    counters: countersOf(spec),
  };
}

/** No counter is asked for where there is no limit. */
function countersOf(spec: JobSpec): { name: string; limit: number }[] {
  const perPolicy = spec.backup?.maxJobsPerPolicy ?? 0;
  const perClient = spec.backup?.maxJobsPerClient ?? 0;
  return [
    { name: `NBU_POLICY.MAXJOBS.${spec.policy}`, limit: perPolicy },
    { name: `NBU_CLIENT.MAXJOBS.${spec.client}`, limit: perClient },
  ].filter((counter) => counter.limit > 0);
}

type Starting = Extract<Phase, { name: 'starting' }>;

/** The run that a starting attempt asks for. Of a restore it carries the entries of its own step alone. */
export function runSpec(job: Job, phase: Starting): Init<RunSpec> {
  return {
    grant: phase.grant,
    job: isBackup(job) ? job.spec : specOfStep(job.spec, job.step),
    image: phase.image,
    restoreStep: job.step,
  };
}

function specOfStep(spec: JobSpec, step: number): JobSpec {
  const { restore } = spec;
  if (restore === null) return spec;
  const steps = restore.steps.map((each, index) =>
    index === step ? each : { ...each, entries: [], fragments: [], env: [] },
  );
  return { ...spec, restore: { ...restore, steps } };
}
