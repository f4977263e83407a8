// The job as the Activity Monitor shows it: a snapshot with the version of the job.

import type { Init, JobRow, JobState, Status } from '@tapestry/contracts';
import { isStatusName, STATUS } from '@tapestry/status';
import { isBackup, isLabel, type Job, type Phase, stepCount } from './state.ts';

interface PhaseShown {
  readonly state: JobState;
  readonly operation: string;
  /** Step of the process flow (docs/architecture.md); bpbrm's progress refines 6 to 8. */
  readonly flowStep: number;
  readonly details: string;
}

export function jobRow(job: Job): Init<JobRow> {
  const { spec, shown, phase } = job;
  const view = showPhase(job);
  const status = statusOf(phase);
  return {
    ...{ jobId: job.id, type: spec.type, state: view.state },
    status: status?.code ?? 0,
    statusText: status === undefined ? '' : textOf(status),
    ...{ policy: spec.policy, policyType: spec.policyType, schedule: spec.schedule },
    ...{ scheduleType: spec.scheduleType, client: spec.client, owner: spec.owner },
    ...{ subtype: spec.subtype, priority: spec.priority },
    retentionLevel: spec.backup?.retentionLevel ?? 0,
    destClient: spec.restore?.destClient ?? '',
    path: spec.backup?.path ?? spec.restore?.steps[job.step]?.path ?? '',
    ...{ mediaServer: shown.mediaServer, storageUnit: shown.storageUnit },
    ...{ mediaId: shown.mediaId, drive: shown.drive, backupId: shown.backupId },
    submittedMs: BigInt(job.submittedMs),
    startedMs: BigInt(shown.startedMs),
    endedMs: BigInt(shown.endedMs),
    ...{ try: job.try, step: job.step, steps: stepCount(job) },
    ...{ bytes: shown.bytes, files: shown.files, bytesExpected: expectedBytes(job) },
    operation: view.operation,
    stateDetails: view.details,
    flowStep: view.flowStep,
    retryAtMs: phase.name === 'resting' ? BigInt(Math.trunc(phase.retryAtMs)) : 0n,
    cancelling: job.cancelledBy !== '' && phase.name !== 'done',
    version: BigInt(job.version),
  };
}

function showPhase(job: Job): PhaseShown {
  const { phase } = job;
  // A restore shows as active even before it holds resources: somebody waits for it.
  const isRestore = !isBackup(job) && !isLabel(job);
  const waiting = isRestore ? 'JOB_STATE_ACTIVE' : 'JOB_STATE_QUEUED';
  switch (phase.name) {
    case 'queued':
      return view(waiting, 'queued', 3, phase.reason);
    case 'opening':
      return view('JOB_STATE_ACTIVE', 'opening', 4);
    case 'starting':
      return view('JOB_STATE_ACTIVE', 'starting', 5);
    case 'running':
      return view('JOB_STATE_ACTIVE', 'running', 6);
    case 'stopping':
      return view('JOB_STATE_ACTIVE', 'cancelling', 6, `cancelled by ${job.cancelledBy}`);
    case 'closing':
      return view('JOB_STATE_ACTIVE', operationOf(phase), 9, detailsOf(phase));
    case 'resting':
      return view('JOB_STATE_REQUEUED', 'waiting', 2, 'waiting for retry');
    case 'done':
      return view('JOB_STATE_DONE', '', 10);
  }
}

function view(state: JobState, operation: string, flowStep: number, details = ''): PhaseShown {
  return { state, operation, flowStep, details };
}

type Closing = Extract<Phase, { name: 'closing' }>;

function operationOf(phase: Closing): string {
  if (phase.waits.includes('validate')) return 'validating';
  return 'releasing';
}

function detailsOf({ waits }: Closing): string {
  const names = {
    release: 'the drive is given back',
    validate: 'the image is validated',
    abandon: 'the image is removed',
    verdict: 'nbpem decides about another try',
  };
  return `waits until ${waits.map((wait) => names[wait]).join(', ')}`;
}

function statusOf(phase: Phase): Status | undefined {
  return phase.name === 'resting' || phase.name === 'done' ? phase.status : undefined;
}

/** The detail says what happened; where there is none, the table's words do. */
function textOf(status: Status): string {
  if (status.detail !== '') return status.detail;
  return isStatusName(status.name) ? STATUS[status.name].text : status.name;
}

function expectedBytes(job: Job): bigint {
  const steps = job.spec.restore?.steps ?? [];
  return steps.reduce((sum, each) => sum + each.expectedBytes, 0n);
}
