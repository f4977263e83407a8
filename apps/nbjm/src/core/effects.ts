// What nbjm does to the outside because of a decision, as data. Each is named once and for all by its attempt
// and grant, so that doing it twice is harmless; adapters/outbox.ts gives it its key and its lane.

import type { Attempt, GrantRef, ImageResult, Status } from '@tapestry/contracts';

export type Effect =
  | { readonly do: 'requestResources'; readonly attempt: Attempt }
  /** Also gives up a request that was not sent yet. */
  | { readonly do: 'withdrawRequest'; readonly attempt: Attempt }
  | { readonly do: 'openImage'; readonly attempt: Attempt; readonly grantId: string }
  | { readonly do: 'startRun'; readonly attempt: Attempt; readonly grantId: string }
  | {
      readonly do: 'cancelRun';
      readonly grant: GrantRef;
      readonly mediaServer: string;
      readonly reason: Status;
      /** True when nobody waits for the end: the grant is lost, the run must not go on all the same. */
      readonly fence: boolean;
    }
  | { readonly do: 'releaseGrant'; readonly grant: GrantRef }
  | { readonly do: 'validateImage'; readonly attempt: Attempt; readonly result: ImageResult }
  /** An empty backup id: whatever image the attempt may have opened. */
  | { readonly do: 'abandonImage'; readonly attempt: Attempt; readonly backupId: string }
  /** Tells nbpem; `wanted` when its answer decides about another try. */
  | {
      readonly do: 'tellTryEnded';
      readonly attempt: Attempt;
      readonly status: Status;
      readonly endedMs: number;
      readonly wanted: boolean;
    }
  | { readonly do: 'wake'; readonly attempt: Attempt; readonly why: Wake; readonly atMs: number }
  /** Gives up what was to be done for the run of an attempt: opening, starting, cancelling, its timers. */
  | { readonly do: 'giveUpRun'; readonly attempt: Attempt }
  | {
      readonly do: 'tellDetail';
      readonly attempt: Attempt;
      readonly key: string;
      readonly text: string;
      readonly severity: 'info' | 'warning' | 'error';
    };

/** retry: the delay is over. window: the job may no longer start. stop: a cancelled run did not end. */
export type Wake = 'retry' | 'window' | 'stop';
