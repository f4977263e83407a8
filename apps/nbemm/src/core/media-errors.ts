// When errors condemn a volume or a drive: the third within twelve hours, unless the site has set other limits. The
// same volume failing, on whatever drives, freezes the volume; different volumes failing in one drive take it down.

import type { MediaEvent } from '@tapestry/contracts';
import type { ErrorLimits } from './settings.ts';

export interface MediaError {
  readonly mediaId: string;
  readonly drive: string;
  readonly atMs: number;
}

export interface Verdict {
  readonly freezeMedia: boolean;
  readonly downDrive: boolean;
}

/** Whether an event counts as an error at all. */
export function isErrorEvent(event: MediaEvent): boolean {
  return (
    event === 'MEDIA_EVENT_WRITE_ERROR' ||
    event === 'MEDIA_EVENT_READ_ERROR' ||
    event === 'MEDIA_EVENT_POSITION_ERROR' ||
    event === 'MEDIA_EVENT_WRONG_LABEL' ||
    event === 'MEDIA_EVENT_LOAD_ERROR' ||
    event === 'MEDIA_EVENT_WRITE_PROTECTED'
  );
}

/** What follows from `latest`; `history` has it and what came before, in any order. */
export function judgeErrors(
  history: readonly MediaError[],
  latest: MediaError,
  { mediaForgiven, driveForgiven, windowMs }: ErrorLimits,
): Verdict {
  const recent = history.filter(
    (error) => error.atMs > latest.atMs - windowMs && error.atMs <= latest.atMs,
  );
  const ofMedia = recent.filter((error) => error.mediaId === latest.mediaId);
  const mediaInDrive = new Set(
    recent.filter((error) => error.drive === latest.drive).map((error) => error.mediaId),
  );
  return {
    freezeMedia: ofMedia.length > mediaForgiven,
    downDrive: latest.drive !== '' && mediaInDrive.size > driveForgiven,
  };
}
