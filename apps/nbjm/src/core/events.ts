// What can happen to a job. Every event names the attempt or the grant that it is about, because it may come twice,
// late, or from an earlier attempt.

import type { Attempt, Grant, GrantRef, ImagePlan, RunResult, Status } from '@tapestry/contracts';
import type { Wake } from './effects.ts';

export type JobEvent =
  | { readonly type: 'granted'; readonly grant: Grant }
  | { readonly type: 'waiting'; readonly attempt: Attempt; readonly reason: string }
  /** The request can never be granted, or could not be made. */
  | { readonly type: 'refused'; readonly attempt: Attempt; readonly status: Status }
  | { readonly type: 'imageOpened'; readonly grantId: string; readonly image: ImagePlan }
  /** The image could not be opened, or the run not be started. */
  | { readonly type: 'startFailed'; readonly grantId: string; readonly status: Status }
  | { readonly type: 'started'; readonly grantId: string }
  | { readonly type: 'runEnded'; readonly grant: GrantRef; readonly result: RunResult }
  /** The media server answers, and does not know the run that it confirmed. */
  | { readonly type: 'runMissing'; readonly grantId: string }
  | { readonly type: 'grantLost'; readonly grant: GrantRef; readonly reason: string }
  | { readonly type: 'released'; readonly grantId: string }
  | { readonly type: 'validated'; readonly attempt: Attempt }
  | { readonly type: 'validationFailed'; readonly attempt: Attempt; readonly status: Status }
  | { readonly type: 'abandoned'; readonly attempt: Attempt }
  /** nbpem's answer about a failed try; 0 for no further one. */
  | { readonly type: 'verdict'; readonly attempt: Attempt; readonly retryAtMs: number }
  | { readonly type: 'woken'; readonly attempt: Attempt; readonly why: Wake }
  | { readonly type: 'cancelled'; readonly requester: string };

/** What a decision needs to know beside the job and the event. */
export interface Facts {
  readonly nowMs: number;
  /** How long a cancelled run may take to end before its grant is given back all the same. */
  readonly stopDeadlineMs: number;
}
