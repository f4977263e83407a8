// How a try ends: what must be given back and who must be told, and what the job becomes once all of it was
// answered. It promises that every way out of an attempt gives its grant back, once.

import type { ImageResult, Status } from '@tapestry/contracts';
import { STATUS, StatusError, toWire } from '@tapestry/status';
import type { Effect } from './effects.ts';
import type { Facts } from './events.ts';
import { tell } from './lines.ts';
import {
  attemptOf,
  grantRef,
  heldGrant,
  isBackup,
  type Job,
  type Phase,
  stepCount,
  type Wait,
} from './state.ts';

export interface Step {
  readonly job: Job;
  readonly effects: readonly Effect[];
}

/** Statuses of a run whose data are good. */
export function isSuccess(status: Status): boolean {
  return status.code === STATUS.ok.code || status.code === STATUS.partial.code;
}

export function cancelledStatus(requester: string): Status {
  return toWire(new StatusError('cancelled', `cancelled by ${requester}`));
}

export interface Outcome {
  readonly status: Status;
  /** Of a backup that ended well. */
  readonly image?: ImageResult | null;
  /** The run may still live where we cannot see it: it is told to end, and nobody waits for that. */
  readonly fence?: boolean;
}

/** Ends the current attempt, from whatever phase it is in. */
export function endTry(job: Job, outcome: Outcome, facts: Facts): Step {
  const cancelled = job.cancelledBy !== '';
  const status = cancelled ? cancelledStatus(job.cancelledBy) : outcome.status;
  const image = isSuccess(status) ? (outcome.image ?? null) : null;
  const grant = heldGrant(job);
  const waits = waitsOf(job, status, cancelled);
  const attempt = attemptOf(job);
  const effects: Effect[] = [{ do: 'giveUpRun', attempt }];
  if (grant !== undefined && outcome.fence === true) {
    const { mediaServer } = grant;
    effects.push({
      ...{ do: 'cancelRun', grant: grantRef(grant), mediaServer },
      ...{ reason: status, fence: true },
    });
  }
  if (grant !== undefined) effects.push({ do: 'releaseGrant', grant: grantRef(grant) });
  if (waits.includes('validate') && image !== null) {
    effects.push({ do: 'validateImage', attempt, result: image });
  }
  if (waits.includes('abandon')) {
    effects.push({ do: 'abandonImage', attempt, backupId: backupIdOf(job.phase) });
  }
  if (isBackup(job) && !isSuccess(status)) {
    effects.push(tryEnded(job, status, facts.nowMs, waits.includes('verdict')));
  }
  effects.push(...linesOfEnd(job, status));
  const closing: Phase = {
    name: 'closing',
    status,
    waits,
    grant: grant === undefined ? null : grantRef(grant),
    image,
    retryAtMs: 0,
  };
  const shown = { ...job.shown, endedMs: facts.nowMs };
  return then(effects, settle({ ...job, phase: closing, shown }, facts));
}

function waitsOf(job: Job, status: Status, cancelled: boolean): Wait[] {
  const waits: Wait[] = [];
  if (heldGrant(job) !== undefined) waits.push('release');
  if (!isBackup(job)) return waits;
  if (isSuccess(status)) return [...waits, 'validate'];
  // While an image is being opened, bpdbm may have it already although nobody has told us.
  if (job.phase.name === 'opening' || backupIdOf(job.phase) !== '') waits.push('abandon');
  if (!cancelled) waits.push('verdict');
  return waits;
}

function backupIdOf(phase: Phase): string {
  return 'image' in phase ? (phase.image?.backupId ?? '') : '';
}

function tryEnded(job: Job, status: Status, endedMs: number, wanted: boolean): Effect {
  return { do: 'tellTryEnded', attempt: attemptOf(job), status, endedMs, wanted };
}

function linesOfEnd(job: Job, status: Status): Effect[] {
  const text = `the run ended with status ${status.code}: ${status.detail || status.name}`;
  return isSuccess(status) ? [] : [tell(job, 'ended', text, 'error')];
}

/** One answer less to wait for; when it was the last, the job goes on. */
export function answered(job: Job, wait: Wait, facts: Facts, change: Partial<Closing> = {}): Step {
  const { phase } = job;
  if (phase.name !== 'closing' || !phase.waits.includes(wait)) return { job, effects: [] };
  const waits = phase.waits.filter((each) => each !== wait);
  return settle({ ...job, phase: { ...phase, ...change, waits } }, facts);
}

type Closing = Extract<Phase, { name: 'closing' }>;

/** bpdbm refuses the image for good: the try has failed after all. */
export function validationFailed(job: Job, status: Status, facts: Facts): Step {
  const { phase } = job;
  if (phase.name !== 'closing' || !phase.waits.includes('validate')) return { job, effects: [] };
  const others = phase.waits.filter((wait) => wait !== 'validate');
  const backupId = phase.image?.backupId ?? '';
  const failed: Closing = {
    ...phase,
    status,
    image: null,
    waits: [...others, 'abandon', 'verdict'],
  };
  return {
    job: { ...job, phase: failed },
    effects: [
      { do: 'abandonImage', attempt: attemptOf(job), backupId },
      tryEnded(job, status, facts.nowMs, true),
      tell(job, 'not-valid', `the image is not valid: ${status.detail}`, 'error'),
    ],
  };
}

/** A cancel that comes while a failed or a middle step closes: there is no next one. */
export function cancelClosing(job: Job, requester: string, facts: Facts): Step {
  const { phase } = job;
  if (phase.name !== 'closing') return { job, effects: [] };
  if (isSuccess(phase.status)) {
    if (job.step + 1 >= stepCount(job)) return { job, effects: [] };
    return { job: { ...job, cancelledBy: requester }, effects: [] };
  }
  const status = cancelledStatus(requester);
  const waits = phase.waits.filter((wait) => wait !== 'verdict');
  const cancelled: Job = {
    ...job,
    cancelledBy: requester,
    phase: { ...phase, status, waits, retryAtMs: 0 },
  };
  const effects = isBackup(job) ? [tryEnded(job, status, facts.nowMs, false)] : [];
  return then(effects, settle(cancelled, facts));
}

function settle(job: Job, facts: Facts): Step {
  const { phase } = job;
  if (phase.name !== 'closing' || phase.waits.length > 0) return { job, effects: [] };
  if (isSuccess(phase.status)) return settleSuccess(job, phase.status, facts);
  if (phase.retryAtMs > 0 && job.cancelledBy === '') {
    const { status, retryAtMs } = phase;
    const attempt = attemptOf(job);
    return {
      job: { ...job, phase: { name: 'resting', status, retryAtMs } },
      effects: [{ do: 'wake', attempt, why: 'retry', atMs: retryAtMs }],
    };
  }
  return done(job, phase.status, facts);
}

function settleSuccess(job: Job, status: Status, facts: Facts): Step {
  if (job.cancelledBy !== '') return done(job, cancelledStatus(job.cancelledBy), facts);
  const partial = job.partial || status.code === STATUS.partial.code;
  if (job.step + 1 < stepCount(job)) {
    return enterQueue({ ...job, partial, step: job.step + 1 });
  }
  const worst =
    partial && status.code === STATUS.ok.code
      ? toWire(new StatusError('partial', 'a step of the restore was partial'))
      : status;
  const ended = done(job, worst, facts);
  if (!isBackup(job)) return ended;
  return then([tryEnded(job, worst, facts.nowMs, false)], ended);
}

export function done(job: Job, status: Status, facts: Facts): Step {
  const shown = { ...job.shown, endedMs: facts.nowMs };
  const severity = isSuccess(status) ? 'info' : 'error';
  const text = `done with status ${status.code}${status.detail === '' ? '' : `: ${status.detail}`}`;
  return {
    job: { ...job, phase: { name: 'done', status }, shown },
    effects: [tell(job, 'done', text, severity)],
  };
}

/** Asks for the resources of the job's current attempt. */
export function enterQueue(job: Job): Step {
  const attempt = attemptOf(job);
  const effects: Effect[] = [{ do: 'requestResources', attempt }];
  const before = Number(job.spec.startBeforeMs);
  if (before > 0) effects.push({ do: 'wake', attempt, why: 'window', atMs: before });
  effects.push(tell(job, 'request', `requesting resources for job ${job.id}`));
  return { job: { ...job, phase: { name: 'queued', reason: '' } }, effects };
}

function then(first: readonly Effect[], step: Step): Step {
  return { job: step.job, effects: [...first, ...step.effects] };
}
