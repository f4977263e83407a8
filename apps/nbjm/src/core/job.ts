// What happens to this job next? One pure function of a job and an event. It promises that a grant which was
// received is held by exactly one live attempt or handed back, that no run starts on a grant that was given back,
// and that an event which is late, repeated or about another attempt changes nothing but that.

import type { Grant, JobSpec, RunResult, Status } from '@tapestry/contracts';
import { StatusError, toWire } from '@tapestry/status';
import {
  answered,
  cancelClosing,
  cancelledStatus,
  done,
  endTry,
  enterQueue,
  isSuccess,
  type Step,
  validationFailed,
} from './closing.ts';
import type { Effect } from './effects.ts';
import type { Facts, JobEvent } from './events.ts';
import { startLine, tell } from './lines.ts';
import {
  attemptOf,
  grantRef,
  heldGrant,
  isBackup,
  type Job,
  NOTHING_SHOWN,
  sameAttempt,
} from './state.ts';

export type { Step } from './closing.ts';

const MEDIA_FAULTS: ReadonlySet<string> = new Set([
  ...['mediaOpenError', 'mediaWriteError', 'mediaReadError', 'mediaPositionError', 'wrongTape'],
  ...['notMountable', 'cannotReadMediaHeader', 'cannotOverwriteMedia', 'writeProtected'],
  ...['driveNotReady', 'mediaMisplaced'],
]);

export interface NewJob {
  readonly id: bigint;
  readonly spec: JobSpec;
  readonly nowMs: number;
}

/** A job that nobody has heard of yet, and its first request. */
export function submit({ id, spec, nowMs }: NewJob): Step {
  const job: Job = {
    ...{ id, spec, submittedMs: nowMs, try: 1, step: 0 },
    phase: { name: 'queued', reason: '' },
    ...{ cancelledBy: '', shown: NOTHING_SHOWN, avoidMediaIds: [], partial: false, version: 1 },
  };
  const { job: queued, effects } = enterQueue(job);
  return { job: queued, effects: [startLine(job), ...effects] };
}

/** The same job object when nothing changed. */
export function step(job: Job, event: JobEvent, facts: Facts): Step {
  const next = decide(job, event, facts);
  if (next.job === job) return next;
  return { ...next, job: { ...next.job, version: job.version + 1 } };
}

function decide(job: Job, event: JobEvent, facts: Facts): Step {
  switch (event.type) {
    case 'granted':
      return onGranted(job, event.grant, facts);
    case 'waiting':
      return onWaiting(job, event);
    case 'refused':
      return onRefused(job, event, facts);
    case 'imageOpened':
      return onImageOpened(job, event);
    case 'started':
      return onStarted(job, event.grantId);
    case 'startFailed':
      return onStartFailed(job, event, facts);
    case 'runEnded':
      return onRunEnded(job, event, facts);
    case 'runMissing':
      return onRunMissing(job, event.grantId, facts);
    case 'grantLost':
      return onGrantLost(job, event, facts);
    case 'released':
      return onReleased(job, event.grantId, facts);
    case 'validated':
      return sameAttempt(job, event.attempt) ? answered(job, 'validate', facts) : same(job);
    case 'validationFailed':
      return sameAttempt(job, event.attempt)
        ? validationFailed(job, event.status, facts)
        : same(job);
    case 'abandoned':
      return sameAttempt(job, event.attempt) ? answered(job, 'abandon', facts) : same(job);
    case 'verdict':
      return onVerdict(job, event, facts);
    case 'woken':
      return onWoken(job, event, facts);
    case 'cancelled':
      return onCancelled(job, event.requester, facts);
  }
}

type EventOf<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;

function onGranted(job: Job, grant: Grant, facts: Facts): Step {
  if (job.phase.name === 'queued' && sameAttempt(job, grant.attempt)) {
    return takeGrant(job, grant, facts);
  }
  if (heldGrant(job)?.grantId === grant.grantId) return same(job);
  // It crossed a cancel or a retry on the bus: hand it back, or the drive is lost.
  return { job, effects: [{ do: 'releaseGrant', grant: grantRef(grant) }] };
}

function takeGrant(job: Job, grant: Grant, facts: Facts): Step {
  const attempt = attemptOf(job);
  const { mediaServer, storageUnit } = grant;
  const mediaId = grant.volume?.mediaId ?? '';
  const drive = grant.drive?.name ?? '';
  const shared = grant.maxMpx > 1 ? ` (for up to ${grant.maxMpx} streams)` : '';
  const tape = `media id ${mediaId}, drive ${drive}${shared}`;
  const what = grant.diskPath === '' ? tape : grant.diskPath;
  const startedMs = job.shown.startedMs || facts.nowMs;
  const shown = { ...job.shown, mediaServer, storageUnit, mediaId, drive, startedMs, endedMs: 0 };
  const unit = storageUnit === '' ? '' : `, storage unit ${storageUnit}`;
  const line = tell(job, 'granted', `granted resources: ${what}${unit} on ${mediaServer}`);
  if (isBackup(job)) {
    const effect: Effect = { do: 'openImage', attempt, grantId: grant.grantId };
    return { job: { ...job, phase: { name: 'opening', grant }, shown }, effects: [line, effect] };
  }
  const effect: Effect = { do: 'startRun', attempt, grantId: grant.grantId };
  const backupId = job.spec.restore?.steps[job.step]?.backupId ?? '';
  return {
    job: {
      ...job,
      phase: { name: 'starting', grant, image: null },
      shown: { ...shown, backupId },
    },
    effects: [line, effect],
  };
}

function onWaiting(job: Job, event: EventOf<'waiting'>): Step {
  const { phase } = job;
  if (phase.name !== 'queued' || !sameAttempt(job, event.attempt)) return same(job);
  if (phase.reason === event.reason) return same(job);
  return {
    job: { ...job, phase: { ...phase, reason: event.reason } },
    effects: [tell(job, `waiting/${job.version}`, `awaiting resources: ${event.reason}`)],
  };
}

function onRefused(job: Job, event: EventOf<'refused'>, facts: Facts): Step {
  if (job.phase.name !== 'queued' || !sameAttempt(job, event.attempt)) return same(job);
  return endTry(job, { status: event.status }, facts);
}

function onImageOpened(job: Job, event: EventOf<'imageOpened'>): Step {
  const { phase } = job;
  if (phase.name !== 'opening' || phase.grant.grantId !== event.grantId) return same(job);
  const { image } = event;
  const shown = { ...job.shown, backupId: image.backupId };
  const line = tell(
    job,
    'opened',
    `started backup (${image.backupId}) at level ${image.level} on storage unit ${job.shown.storageUnit}`,
  );
  return {
    job: { ...job, phase: { name: 'starting', grant: phase.grant, image }, shown },
    effects: [line, { do: 'startRun', attempt: attemptOf(job), grantId: event.grantId }],
  };
}

function onStarted(job: Job, grantId: string): Step {
  const { phase } = job;
  if (phase.name !== 'starting' || phase.grant.grantId !== grantId) return same(job);
  return { job: { ...job, phase: { ...phase, name: 'running' } }, effects: [] };
}

function onStartFailed(job: Job, event: EventOf<'startFailed'>, facts: Facts): Step {
  const { phase } = job;
  if (phase.name !== 'opening' && phase.name !== 'starting') return same(job);
  if (phase.grant.grantId !== event.grantId) return same(job);
  // A start whose answer was lost may have started all the same.
  return endTry(job, { status: event.status, fence: phase.name === 'starting' }, facts);
}

function onRunEnded(job: Job, event: EventOf<'runEnded'>, facts: Facts): Step {
  const { phase } = job;
  const runs = phase.name === 'starting' || phase.name === 'running' || phase.name === 'stopping';
  if (!runs || phase.grant.grantId !== event.grant.grantId) return same(job);
  if (phase.grant.epoch !== event.grant.epoch) return same(job);
  const { result } = event;
  const status = statusOf(job, result);
  // An image goes on from volume to volume: the one that it met is not always the one that was granted.
  const mediaId = status.context.mediaId || job.shown.mediaId;
  const blamed = isBackup(job) && MEDIA_FAULTS.has(status.name) && mediaId !== '';
  const counts = result.image ?? {
    bytes: result.restore?.bytes,
    files: result.restore?.filesRestored,
  };
  const shown = {
    ...job.shown,
    bytes: job.shown.bytes + (counts.bytes ?? 0n),
    files: job.shown.files + (counts.files ?? 0n),
  };
  const avoidMediaIds = blamed ? [...job.avoidMediaIds, mediaId] : job.avoidMediaIds;
  return endTry({ ...job, shown, avoidMediaIds }, { status, image: result.image }, facts);
}

function statusOf(job: Job, result: RunResult): Status {
  const { status } = result;
  if (status === null) {
    return toWire(new StatusError('protocolError', 'the run ended without a status'));
  }
  if (isBackup(job) && isSuccess(status) && result.image === null) {
    return toWire(new StatusError('protocolError', 'the run ended well but told of no image'));
  }
  return status;
}

function onRunMissing(job: Job, grantId: string, facts: Facts): Step {
  const { phase } = job;
  if (phase.name !== 'running' && phase.name !== 'stopping') return same(job);
  if (phase.grant.grantId !== grantId) return same(job);
  const detail = `bpbrm on ${phase.grant.mediaServer} no longer knows the run`;
  return endTry(job, { status: toWire(new StatusError('clientAborted', detail)) }, facts);
}

function onGrantLost(job: Job, event: EventOf<'grantLost'>, facts: Facts): Step {
  const held = heldGrant(job);
  // A grant that never reached us took the request with it: nobody else would ever end the wait.
  const missed = job.phase.name === 'queued' && sameAttempt(job, event.grant.attempt);
  if (held?.grantId !== event.grant.grantId && !missed) return same(job);
  const detail = `the grant was lost, its writer was not heard of for too long: ${event.reason}`;
  const status = toWire(new StatusError('networkBroken', detail));
  return endTry(job, { status, fence: true }, facts);
}

function onReleased(job: Job, grantId: string, facts: Facts): Step {
  const { phase } = job;
  if (phase.name !== 'closing' || phase.grant?.grantId !== grantId) return same(job);
  return answered(job, 'release', facts);
}

function onVerdict(job: Job, event: EventOf<'verdict'>, facts: Facts): Step {
  if (!sameAttempt(job, event.attempt)) return same(job);
  return answered(job, 'verdict', facts, { retryAtMs: event.retryAtMs });
}

function onWoken(job: Job, event: EventOf<'woken'>, facts: Facts): Step {
  if (!sameAttempt(job, event.attempt)) return same(job);
  const { phase } = job;
  switch (event.why) {
    case 'retry':
      return phase.name === 'resting' ? tryAgain(job) : same(job);
    case 'window':
      return phase.name === 'queued' ? windowClosed(job, facts) : same(job);
    case 'stop':
      if (phase.name !== 'stopping') return same(job);
      return endTry(job, { status: cancelledStatus(job.cancelledBy), fence: true }, facts);
  }
}

function tryAgain(job: Job): Step {
  const shown = { ...NOTHING_SHOWN };
  return enterQueue({ ...job, try: job.try + 1, step: 0, partial: false, shown });
}

function windowClosed(job: Job, facts: Facts): Step {
  const detail = 'no resources were free before the window of the schedule closed';
  const status = toWire(new StatusError('windowClosed', detail));
  const ended = endTry(job, { status }, facts);
  return withdrawing(job, ended);
}

function onCancelled(job: Job, requester: string, facts: Facts): Step {
  if (job.cancelledBy !== '') return same(job);
  const cancelled = { ...job, cancelledBy: requester };
  const { phase } = job;
  switch (phase.name) {
    case 'queued':
      return withdrawing(job, endTry(cancelled, { status: cancelledStatus(requester) }, facts));
    case 'opening':
      return endTry(cancelled, { status: cancelledStatus(requester) }, facts);
    case 'starting':
    case 'running':
      return stop(cancelled, phase, facts);
    case 'closing':
      return cancelClosing(job, requester, facts);
    case 'resting':
      return cancelResting(cancelled, facts);
    case 'stopping':
    case 'done':
      return same(job);
  }
}

function stop(
  job: Job,
  phase: Extract<Job['phase'], { name: 'starting' | 'running' }>,
  facts: Facts,
): Step {
  const attempt = attemptOf(job);
  const { mediaServer } = phase.grant;
  const reason = cancelledStatus(job.cancelledBy);
  return {
    job: { ...job, phase: { ...phase, name: 'stopping' } },
    effects: [
      { do: 'giveUpRun', attempt },
      { do: 'cancelRun', grant: grantRef(phase.grant), mediaServer, reason, fence: false },
      { do: 'wake', attempt, why: 'stop', atMs: facts.nowMs + facts.stopDeadlineMs },
      tell(job, 'stopping', `${reason.detail}: the run is told to end`, 'warning'),
    ],
  };
}

function cancelResting(job: Job, facts: Facts): Step {
  const status = cancelledStatus(job.cancelledBy);
  const ended = done(job, status, facts);
  if (!isBackup(job)) return ended;
  const told: Effect = {
    ...{ do: 'tellTryEnded', attempt: attemptOf(job), status },
    ...{ endedMs: facts.nowMs, wanted: false },
  };
  return { job: ended.job, effects: [told, ...ended.effects] };
}

function withdrawing(job: Job, ended: Step): Step {
  const effect: Effect = { do: 'withdrawRequest', attempt: attemptOf(job) };
  return { job: ended.job, effects: [effect, ...ended.effects] };
}

function same(job: Job): Step {
  return { job, effects: [] };
}
