// Lines for a job's details: our wording of what nbjm says, one key a line so that a repeat is harmless.

import type { Effect } from './effects.ts';
import { attemptOf, isBackup, isLabel, type Job } from './state.ts';

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
  return tell(job, 'start', startText(job));
}

function startText(job: Job): string {
  const { spec, id } = job;
  if (isBackup(job)) {
    return (
      `starting backup job (jobid=${id}) for client ${spec.client}, policy ${spec.policy}, ` +
      `schedule ${spec.schedule}, path ${spec.backup?.path ?? ''}`
    );
  }
  if (isLabel(job)) {
    const { mediaId = '', longErase = false } = spec.label ?? {};
    const erasure = longErase ? 'long erase' : 'erase';
    const what = spec.type === 'JOB_TYPE_ERASE' ? erasure : 'label';
    return `starting ${what} job (jobid=${id}) of media id ${mediaId}`;
  }
  return (
    `starting restore job (jobid=${id}) of client ${spec.client} to ${spec.restore?.destClient}, ` +
    `${spec.restore?.steps.length ?? 0} image(s)`
  );
}
