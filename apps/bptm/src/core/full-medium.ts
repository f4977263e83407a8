// What a medium that fills up means for the image on it, whoever moves its data.

import { StatusError } from '@tapestry/status';

/** In words: for the event that nbemm hears, and the job's details. */
export function fullDetail(mediaId: string, imageBytes: bigint): string {
  return `${mediaId} is full after ${imageBytes} bytes of the image`;
}

/** It ended before early warning left room to close the fragment: nothing of the fragment counts. */
export function endedTooSoon(detail: string): StatusError {
  const why = 'there was no room left to close the fragment, so nothing of it counts';
  return new StatusError('mediaWriteError', `${detail}; ${why}`);
}

/** A volume with nothing else on it that takes no data takes none at another time either. */
export function tooSmall(mediaId: string): StatusError {
  const why = 'is too small to hold anything of the image, though nothing else is on it';
  return new StatusError('mediaWriteError', `${mediaId} ${why}`);
}
