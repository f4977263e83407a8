// Grants are fenced leases: whoever acts under one refuses any other. The rule, and the keys that name attempts.

import type { Attempt, Grant, GrantRef } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';

/** A GrantRef whose parts are all there. */
export interface Lease {
  readonly attempt: Attempt;
  readonly grantId: string;
  readonly epoch: bigint;
}

/** Errors: 133 an attempt or a grant id is missing. */
export function leaseOf(ref: GrantRef | Grant | null | undefined): Lease {
  if (!ref?.attempt || ref.grantId === '' || ref.attempt.jobId === 0n) {
    throw new StatusError('invalidRequest', 'the request names no grant of a job');
  }
  return { attempt: ref.attempt, grantId: ref.grantId, epoch: ref.epoch };
}

/** The wire form of a lease. */
export function refOf({ attempt, grantId, epoch }: Lease): GrantRef {
  return { attempt, grantId, epoch };
}

/** `4711/1/0`: one execution of one step of a job. */
export function attemptKey({ jobId, try: tryNumber, step }: Attempt): string {
  return `${jobId}/${tryNumber}/${step}`;
}

/** `4711/0`: what a later try of the same step replaces. */
export function stepKey({ jobId, step }: Attempt): string {
  return `${jobId}/${step}`;
}

/** How a lease that is asked for stands to one of the same step that is known already. */
export function compareLeases(known: Lease, asked: Lease): 'same' | 'newer' | 'older' {
  if (asked.attempt.try !== known.attempt.try) {
    return asked.attempt.try > known.attempt.try ? 'newer' : 'older';
  }
  if (asked.epoch !== known.epoch) return asked.epoch > known.epoch ? 'newer' : 'older';
  return asked.grantId === known.grantId ? 'same' : 'older';
}

/** Errors: 902 when the call comes under another lease than the one that is held. */
export function requireSameLease(known: Lease, asked: Lease): void {
  if (compareLeases(known, asked) === 'same') return;
  throw new StatusError(
    'staleGrant',
    `try ${asked.attempt.try} of job ${asked.attempt.jobId} asks under grant ${asked.grantId} ` +
      `(epoch ${asked.epoch}); held is ${known.grantId} (epoch ${known.epoch})`,
  );
}
