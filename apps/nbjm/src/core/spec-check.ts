// Whether a job can be done at all: asked once, when it is submitted.

import type { JobSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { isLabelType } from './state.ts';

/** Errors: 133 for what no sender of ours makes, 165 for an image without fragments. */
export function checkSpec(key: string, spec: JobSpec | null): void {
  if (key === '') throw new StatusError('invalidRequest', 'a job needs a key');
  if (spec === null) throw new StatusError('invalidRequest', 'a job needs to say what it does');
  if (spec.type === 'JOB_TYPE_BACKUP') {
    if (spec.backup === null || spec.backup.path === '' || spec.client === '') {
      throw new StatusError('invalidRequest', 'a backup job needs a client and a path');
    }
    return;
  }
  if (isLabelType(spec.type)) {
    if (spec.label === null || spec.label.mediaId === '') {
      throw new StatusError('invalidRequest', 'a label job needs its volume');
    }
    return;
  }
  const steps = spec.restore?.steps ?? [];
  if (steps.length === 0) {
    throw new StatusError('invalidRequest', 'a restore job needs an image to restore from');
  }
  const bare = steps.find((step) => step.fragments.length === 0);
  if (bare !== undefined) {
    throw new StatusError('noFragments', `image ${bare.backupId} has no fragments to read`);
  }
}
