// Does the effects: calls the neighbours, and brings their answers back as events of the job. An effect that is no
// longer wanted, because the job went on meanwhile, does nothing. Everything here may run twice.

import type { Bus } from '@tapestry/bus';
import {
  type Attempt,
  hostToken,
  type Init,
  type RunSpec,
  type StartRequest,
} from '@tapestry/contracts';
import { StatusError, toWire } from '@tapestry/status';
import type { EffectTry, FollowedHandlers, FollowUp, PermanentFailure } from '@tapestry/store';
import type { Kysely, Transaction } from 'kysely';
import type { JobEvent } from '../core/events.ts';
import { resourceRequest, runSpec } from '../core/need.ts';
import { runEvents } from '../core/runs.ts';
import { type Job, sameAttempt } from '../core/state.ts';
import type { Jobs } from '../jobs.ts';
import { type Database, readJob } from './job-store.ts';
import type { Kinds } from './outbox.ts';

export interface CommandParts {
  readonly bus: Bus;
  readonly db: Kysely<Database>;
  readonly jobs: Jobs;
  readonly sign: (spec: Init<RunSpec>) => StartRequest;
  /** A warning among the job's details. */
  readonly tellLine: (attempt: Attempt, key: string, text: string) => void;
}

type Phase<N extends Job['phase']['name']> = Extract<Job['phase'], { name: N }>;

export function commandHandlers(parts: CommandParts): FollowedHandlers<Database, Kinds> {
  const { bus, jobs } = parts;
  const nbrb = bus.client('nbrb');
  const bpdbm = bus.client('bpdbm');
  return {
    requestResources: async ({ attempt }, { signal }) => {
      const job = await readJob(parts.db, attempt.jobId);
      if (job?.phase.name !== 'queued' || !sameAttempt(job, attempt)) return undefined;
      await telling(
        (reason) => jobs.apply(attempt.jobId, { type: 'waiting', attempt, reason }),
        nbrb.RequestResources(resourceRequest(job), { signal }),
      );
      return undefined;
    },
    withdrawRequest: async ({ attempt }, { signal }) => {
      await nbrb.WithdrawRequest({ attempt }, { signal });
      return undefined;
    },
    openImage: async (payload, effect) => await openImage(parts, payload, effect),
    startRun: async (payload, effect) => await startRun(parts, payload, effect),
    cancelRun: async (payload, effect) => await cancelRun(parts, payload, effect),
    releaseGrant: async ({ grant }, { signal }) => {
      await nbrb.ReleaseGrant({ grant }, { signal });
      const jobId = grant.attempt?.jobId ?? 0n;
      return jobs.follow(jobId, { type: 'released', grantId: grant.grantId });
    },
    validateImage: async ({ attempt, result }, { signal }) => {
      await bpdbm.ValidateImage({ attempt, result }, { signal });
      return jobs.follow(attempt.jobId, { type: 'validated', attempt });
    },
    abandonImage: async ({ attempt, backupId }, { signal }) => {
      await bpdbm.AbandonImage({ attempt, backupId }, { signal });
      return jobs.follow(attempt.jobId, { type: 'abandoned', attempt });
    },
    tellTryEnded: async (payload, effect) => await tellTryEnded(parts, payload, effect),
    wake: async ({ attempt, why }) => jobs.follow(attempt.jobId, { type: 'woken', attempt, why }),
    tellRow: async ({ row }) => {
      await bus.publish('JobChanged', { job: row }, { id: `${row.jobId}/${row.version}` });
      return undefined;
    },
  };
}

/** Shows why a command fails while it is tried again: the job's watcher must not have to guess. */
async function telling(show: (why: string) => Promise<unknown>, work: Promise<unknown>) {
  try {
    await work;
  } catch (error) {
    if (error instanceof StatusError && error.retryable) await show(error.detail);
    throw error;
  }
}

/** The job in this phase under this grant, or undefined when it went on. */
async function waitingJob<N extends 'opening' | 'starting'>(
  { db }: CommandParts,
  { attempt, grantId }: Kinds['openImage'],
  name: N,
): Promise<{ job: Job; phase: Phase<N> } | undefined> {
  const job = await readJob(db, attempt.jobId);
  if (job?.phase.name !== name || job.phase.grant.grantId !== grantId) return undefined;
  return { job, phase: job.phase as Phase<N> };
}

async function openImage(
  parts: CommandParts,
  payload: Kinds['openImage'],
  { signal }: EffectTry,
): Promise<FollowUp<Database> | undefined> {
  const waiting = await waitingJob(parts, payload, 'opening');
  if (waiting === undefined) return undefined;
  const { attempt, grantId } = payload;
  const { mediaServer, storageUnit } = waiting.phase.grant;
  const { image } = await parts.bus
    .client('bpdbm')
    .OpenImage({ attempt, job: waiting.job.spec, mediaServer, storageUnit }, { signal });
  if (image === null) throw new StatusError('cannotProcess', 'bpdbm opened no image');
  return parts.jobs.follow(attempt.jobId, { type: 'imageOpened', grantId, image });
}

async function startRun(
  parts: CommandParts,
  payload: Kinds['startRun'],
  { signal, tries }: EffectTry,
): Promise<FollowUp<Database> | undefined> {
  const waiting = await waitingJob(parts, payload, 'starting');
  if (waiting === undefined) return undefined;
  const { job, phase } = waiting;
  const bpcd = parts.bus.client('bpcd', hostToken(phase.grant.mediaServer));
  await telling(
    async (text) => parts.tellLine(payload.attempt, `start/${tries}`, `not started yet: ${text}`),
    bpcd.Start(parts.sign(runSpec(job, phase)), { signal }),
  );
  return parts.jobs.follow(job.id, { type: 'started', grantId: payload.grantId });
}

/** After the cancel the media server is asked once more: a run that never began there tells no end. */
async function cancelRun(
  { bus, jobs }: CommandParts,
  { grant, mediaServer, reason, fence }: Kinds['cancelRun'],
  { signal }: EffectTry,
): Promise<FollowUp<Database> | undefined> {
  const bpbrm = bus.client('bpbrm', hostToken(mediaServer));
  await bpbrm.CancelRun({ grant, reason }, { signal });
  if (fence || grant.attempt === null) return undefined;
  const { runs } = await bpbrm.ListRuns({}, { signal });
  const [event] = runEvents([grant.grantId], runs);
  return event === undefined ? undefined : jobs.follow(grant.attempt.jobId, event);
}

async function tellTryEnded(
  { bus, db, jobs }: CommandParts,
  { attempt, status, endedMs, wanted }: Kinds['tellTryEnded'],
  { signal }: EffectTry,
): Promise<FollowUp<Database> | undefined> {
  const job = await readJob(db, attempt.jobId);
  if (job === undefined) return undefined;
  const { policy, schedule, client, subtype, backup } = job.spec;
  const answer = await bus.client('nbpem').TryEnded(
    {
      ...{ jobId: attempt.jobId, try: attempt.try, policy, schedule, client, subtype },
      ...{ path: backup?.path ?? '', status, endedMs: BigInt(Math.trunc(endedMs)) },
    },
    { signal },
  );
  if (!wanted) return undefined;
  const retryAtMs = Number(answer.retryAtMs);
  return jobs.follow(attempt.jobId, { type: 'verdict', attempt, retryAtMs });
}

/** What a job makes of an effect that failed for good, saved with the end of the effect. */
export async function onPermanentFailure(
  jobs: Jobs,
  tx: Transaction<Database>,
  failure: PermanentFailure<Kinds>,
): Promise<void> {
  const event = failureEvent(failure);
  if (event !== undefined) await jobs.applyIn(tx, event.jobId, event.event);
}

function failureEvent({
  kind,
  payload,
  error,
}: PermanentFailure<Kinds>): { jobId: bigint; event: JobEvent } | undefined {
  const status = toWire(error);
  const of = <K extends keyof Kinds>(_kind: K) => payload as Kinds[K];
  switch (kind) {
    case 'requestResources': {
      const { attempt } = of(kind);
      return { jobId: attempt.jobId, event: { type: 'refused', attempt, status } };
    }
    case 'openImage':
    case 'startRun': {
      const { attempt, grantId } = of(kind);
      return { jobId: attempt.jobId, event: { type: 'startFailed', grantId, status } };
    }
    case 'releaseGrant': {
      // nbrb knows no such grant any more: there is nothing left to give back.
      const { grant } = of(kind);
      const event = { type: 'released', grantId: grant.grantId } as const;
      return { jobId: grant.attempt?.jobId ?? 0n, event };
    }
    case 'validateImage': {
      const { attempt } = of(kind);
      return { jobId: attempt.jobId, event: { type: 'validationFailed', attempt, status } };
    }
    case 'abandonImage': {
      const { attempt } = of(kind);
      return { jobId: attempt.jobId, event: { type: 'abandoned', attempt } };
    }
    case 'tellTryEnded': {
      const { attempt, wanted } = of(kind);
      if (!wanted) return undefined;
      return { jobId: attempt.jobId, event: { type: 'verdict', attempt, retryAtMs: 0 } };
    }
    default:
      return undefined;
  }
}
