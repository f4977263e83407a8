// May this start run on this host? Decides on a ticket whose signature was checked; promises nothing but the answer.

import type { RunSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';

export interface LaunchFacts {
  readonly run: RunSpec;
  /** Service that brought the ticket, as the bus knows it. */
  readonly caller: string;
  readonly host: string;
}

/** Errors: 46 the wrong peer or host; 133 a ticket that names no whole run; 902 no grant. */
export function checkLaunch({ run, caller, host }: LaunchFacts): void {
  if (caller !== 'nbjm') {
    throw new StatusError('accessNotAllowed', `${caller} may not start anything on ${host}`);
  }
  const { grant, job } = run;
  if (!grant?.attempt || grant.grantId === '') {
    throw new StatusError('staleGrant', 'the start names no grant');
  }
  if (grant.mediaServer !== host) {
    throw new StatusError(
      'accessNotAllowed',
      `the grant is for media server ${grant.mediaServer}, this is ${host}`,
    );
  }
  const onTape = grant.drive !== null && grant.volume !== null;
  if (!job || (!onTape && grant.diskPath === '')) {
    throw new StatusError('invalidRequest', 'the start lacks its job, drive or volume');
  }
  if (job.type === 'JOB_TYPE_LABEL' || job.type === 'JOB_TYPE_ERASE') {
    if (job.label?.mediaId === grant.volume?.mediaId) return;
    throw new StatusError('invalidRequest', 'the start of a label job lacks its volume');
  }
  if (job.type === 'JOB_TYPE_RESTORE') checkRestore(run);
  else if (!job.backup || !run.image) {
    throw new StatusError('invalidRequest', 'the start of a backup lacks its image');
  }
}

function checkRestore({ job, restoreStep }: RunSpec): void {
  if (job?.restore?.steps[restoreStep] === undefined) {
    throw new StatusError(
      'invalidRequest',
      `the start names no step ${restoreStep} of the restore`,
    );
  }
}
