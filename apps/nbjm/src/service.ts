// What nbjm answers: every call becomes an event of one job. Calls about jobs that are unknown or over are answered
// well, so that those who tell until they are answered can stop.

import type { Handlers } from '@tapestry/bus';
import type { Attempt, CheckAttemptsReply, Init, JobSpec } from '@tapestry/contracts';
import type { Logger } from '@tapestry/runtime';
import { StatusError, toWire } from '@tapestry/status';
import type { Kysely } from 'kysely';
import { type Database, readImagesRead, readJobs } from './adapters/job-store.ts';
import { checkSpec } from './core/spec-check.ts';
import { isLive } from './core/state.ts';
import type { Jobs } from './jobs.ts';
import { isTask } from './tasks.ts';

export interface ServiceParts {
  readonly jobs: Jobs;
  readonly db: Kysely<Database>;
  readonly log: Logger;
}

type JobHandlers = Omit<Handlers<'nbjm'>, 'BeginTask' | 'EndTask'>;

export function nbjmHandlers({ jobs, db, log }: ServiceParts): JobHandlers {
  return {
    SubmitJob: async ({ key, job }) => {
      checkSpec(key, job);
      return { jobId: await jobs.submit(key, job as JobSpec) };
    },
    CancelJob: async ({ jobId, requester }) => {
      const event = { type: 'cancelled', requester: requester || 'an administrator' } as const;
      if (await jobs.apply(jobId, event)) return {};
      if (await isTask(db, jobId)) {
        throw new StatusError('conflict', `job ${jobId} cleans up images: it ends by itself`);
      }
      throw new StatusError('jobMissing', `there is no job ${jobId}`, { jobId: String(jobId) });
    },
    ResourcesGranted: async ({ grant }) => {
      if (grant === null) throw badCall('a grant');
      const attempt = named(grant.attempt);
      if (await jobs.apply(attempt.jobId, { type: 'granted', grant })) return {};
      log.warn({ jobId: String(attempt.jobId) }, 'a grant for an unknown job is handed back');
      await jobs.release(grant);
      return {};
    },
    ResourcesWaiting: async ({ attempt, reason }) => {
      const of = named(attempt);
      await jobs.apply(of.jobId, { type: 'waiting', attempt: of, reason });
      return {};
    },
    ResourcesRefused: async ({ attempt, status }) => {
      const of = named(attempt);
      const why = status ?? toWire(new StatusError('resourceRequestFailed', 'no reason was given'));
      await jobs.apply(of.jobId, { type: 'refused', attempt: of, status: why });
      return {};
    },
    GrantLost: async ({ grant, reason }) => {
      if (grant === null) throw badCall('a grant');
      await jobs.apply(named(grant.attempt).jobId, { type: 'grantLost', grant, reason });
      return {};
    },
    RunEnded: async ({ grant, result }) => {
      if (grant === null || result === null) throw badCall('a grant and a result');
      await jobs.apply(named(grant.attempt).jobId, { type: 'runEnded', grant, result });
      return {};
    },
    CheckAttempts: async ({ attempts }) => await checkAttempts(db, attempts),
    ListImagesRead: async () => ({ backupIds: await readImagesRead(db) }),
  };
}

async function checkAttempts(
  db: Kysely<Database>,
  attempts: readonly Attempt[],
): Promise<Init<CheckAttemptsReply>> {
  const ids = [...new Set(attempts.map((attempt) => attempt.jobId))];
  const known = new Map((await readJobs(db, ids)).map((job) => [job.id, job]));
  return {
    states: attempts.map((attempt) => {
      const job = known.get(attempt.jobId);
      return { attempt, live: job !== undefined && isLive(job, attempt) };
    }),
  };
}

function named(attempt: Attempt | null): Attempt {
  if (attempt === null) throw badCall('an attempt');
  return attempt;
}

function badCall(what: string): StatusError {
  return new StatusError('invalidRequest', `the call names no ${what}`);
}
