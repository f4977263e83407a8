// What a medium that fills up means for the image on it, whoever moves its data.

import { StatusError } from '@tapestry/status';

const SPANNING = 'this release does not continue an image on another medium';

/** In words: for the event that nbemm hears, and the failure. */
export function fullDetail(mediaId: string, imageBytes: bigint): string {
  return `${mediaId} is full after ${imageBytes} bytes of the image`;
}

/** An image alone on an empty medium is larger than any (166); else another medium may have the room (84). */
export function fullFailure(detail: string, alone: boolean): StatusError {
  return alone
    ? new StatusError('spanningNotAllowed', `${detail}, which held nothing else; ${SPANNING}`)
    : new StatusError('mediaWriteError', `${detail}; ${SPANNING}, it is tried again on one`);
}
