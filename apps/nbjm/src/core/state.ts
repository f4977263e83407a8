// What a job is: the facts that nbjm keeps of it, and the names of its attempts. No decision is taken here.

import type {
  Attempt,
  Grant,
  GrantRef,
  ImagePlan,
  ImageResult,
  JobSpec,
  Status,
} from '@tapestry/contracts';

/** What must be answered before a try may count as over. */
export type Wait = 'release' | 'validate' | 'abandon' | 'verdict';

/**
 * Where the current attempt is.
 * - queued: nbrb has, or will have, the request
 * - opening: a grant is held, bpdbm opens the provisional image
 * - starting: bpcd is asked to start the run
 * - running: the run lives on the media server, as far as we know
 * - stopping: the run was told to end; its end is awaited
 * - closing: the outcome is known; grant, image and nbpem's verdict are settled
 * - resting: waits for its next try
 */
export type Phase =
  | { readonly name: 'queued'; readonly reason: string }
  | { readonly name: 'opening'; readonly grant: Grant }
  | { readonly name: 'starting'; readonly grant: Grant; readonly image: ImagePlan | null }
  | { readonly name: 'running'; readonly grant: Grant; readonly image: ImagePlan | null }
  | { readonly name: 'stopping'; readonly grant: Grant; readonly image: ImagePlan | null }
  | {
      readonly name: 'closing';
      readonly status: Status;
      readonly waits: readonly Wait[];
      readonly grant: GrantRef | null;
      readonly image: ImageResult | null;
      /** nbpem's answer; 0 for no further try. */
      readonly retryAtMs: number;
    }
  | { readonly name: 'resting'; readonly status: Status; readonly retryAtMs: number }
  | { readonly name: 'done'; readonly status: Status };

/** What is shown of the latest attempt, also when it is over. */
export interface Shown {
  readonly mediaServer: string;
  readonly storageUnit: string;
  readonly mediaId: string;
  readonly drive: string;
  readonly backupId: string;
  /** When the current try got its resources first; 0 before. */
  readonly startedMs: number;
  /** When the latest try, or the job, ended; 0 while one runs. */
  readonly endedMs: number;
  /** Of all steps of this try that have ended. */
  readonly bytes: bigint;
  readonly files: bigint;
}

export interface Job {
  readonly id: bigint;
  readonly spec: JobSpec;
  readonly submittedMs: number;
  readonly try: number;
  readonly step: number;
  readonly phase: Phase;
  /** Who asked for the end of the job; empty when nobody did. */
  readonly cancelledBy: string;
  readonly shown: Shown;
  /** Volumes that failed in earlier tries. */
  readonly avoidMediaIds: readonly string[];
  /** The worst status of the steps that ended well: 1 once a step was partial. */
  readonly partial: boolean;
  /** Raised by every change. */
  readonly version: number;
}

export const NOTHING_SHOWN: Shown = {
  mediaServer: '',
  storageUnit: '',
  mediaId: '',
  drive: '',
  backupId: '',
  startedMs: 0,
  endedMs: 0,
  bytes: 0n,
  files: 0n,
};

export function attemptOf(job: Job): Attempt {
  return { jobId: job.id, try: job.try, step: job.step };
}

export function sameAttempt(job: Job, attempt: Attempt | null): boolean {
  return (
    attempt !== null &&
    attempt.jobId === job.id &&
    attempt.try === job.try &&
    attempt.step === job.step
  );
}

export function grantRef(grant: Grant): GrantRef {
  return { attempt: grant.attempt, grantId: grant.grantId, epoch: grant.epoch };
}

/** The grant that the job holds now and has not given back. */
export function heldGrant(job: Job): Grant | undefined {
  const { phase } = job;
  switch (phase.name) {
    case 'opening':
    case 'starting':
    case 'running':
    case 'stopping':
      return phase.grant;
    default:
      return undefined;
  }
}

export function isBackup(job: Job): boolean {
  return job.spec.type === 'JOB_TYPE_BACKUP';
}

export function isLabel(job: Job): boolean {
  return isLabelType(job.spec.type);
}

export function isLabelType(type: JobSpec['type']): boolean {
  return type === 'JOB_TYPE_LABEL' || type === 'JOB_TYPE_ERASE';
}

export function stepCount(job: Job): number {
  return isBackup(job) || isLabel(job) ? 1 : (job.spec.restore?.steps.length ?? 0);
}

/**
 * What everybody who reconciles asks: does this attempt still own what it made? While the image of an attempt
 * waits for validation it does, although its run is over.
 */
export function isLive(job: Job, attempt: Attempt): boolean {
  if (!sameAttempt(job, attempt)) return false;
  const { phase } = job;
  if (phase.name === 'done' || phase.name === 'resting') return false;
  return phase.name !== 'closing' || phase.waits.includes('validate');
}
