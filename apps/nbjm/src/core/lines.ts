// Lines for a job's details: our wording of what nbjm says, one key a line so that a repeat is harmless.

import type { Effect } from './effects.ts';
import { attemptOf, type Job } from './state.ts';

export function tell(
  job: Job,
  key: string,
  text: string,
  severity: 'info' | 'warning' | 'error' = 'info',
): Effect {
  return { do: 'tellDetail', attempt: attemptOf(job), key, text, severity };
}

/** Once, when the job is made. */
export function startLine(job: Job): Effect {
  const { spec, id } = job;
  const text =
    spec.type === 'JOB_TYPE_BACKUP'
      ? `starting backup job (jobid=${id}) for client ${spec.client}, policy ${spec.policy}, ` +
        `schedule ${spec.schedule}, path ${spec.backup?.path ?? ''}`
      : `starting restore job (jobid=${id}) of client ${spec.client} to ${spec.restore?.destClient}, ` +
        `${spec.restore?.steps.length ?? 0} image(s)`;
  return tell(job, 'start', text);
}
