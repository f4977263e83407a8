// What an attempt needs of the outside: the resource request that nbrb gets, and the run that a media server gets.

import type {
  Fragment,
  Init,
  JobSpec,
  ResourceRequest,
  RestoreStep,
  RunSpec,
} from '@tapestry/contracts';
import { attemptOf, isBackup, isLabel, type Job, type Phase } from './state.ts';

/** `fh_info` of an entry whose place in the image is not known. */
const PLACE_UNKNOWN = 0xffff_ffff_ffff_ffffn;

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
  if (isLabel(job)) {
    const { label } = spec;
    return {
      ...common,
      ...{ mode: 'DRIVE_MODE_WRITE', mediaId: label?.mediaId ?? '', label, counters: [] },
    };
  }
  if (!isBackup(job)) {
    const fragment = firstToRead(spec.restore?.steps[job.step]);
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
    maxMpx: spec.backup?.maxMpx ?? 0,
    counters: countersOf(spec),
  };
}

/**
 * The fragment that is read first: of files whose place in the image is known, the one that holds the first of them. So
 * only the volumes that hold them are ever mounted.
 */
function firstToRead(step: RestoreStep | undefined): Fragment | undefined {
  if (step === undefined) return undefined;
  const { fragments, entries, directAccess } = step;
  const places = entries.map(({ fhInfo }) => fhInfo);
  if (!directAccess || places.length === 0 || places.includes(PLACE_UNKNOWN)) return fragments[0];
  // The smallest of them: a bigint, which Math.min does not take.
  const [first = 0n] = places.toSorted((a, b) => (a < b ? -1 : 1));
  const holds = ({ streamBeginBytes, streamEndBytes }: Fragment): boolean =>
    first >= streamBeginBytes && first < streamEndBytes;
  return fragments.find(holds) ?? fragments[0];
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
