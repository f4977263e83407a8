// What a failure to use a medium says of it: the event that nbemm counts against volume and drive.

import type { MediaEvent } from '@tapestry/contracts';
import { StatusError, type StatusName } from '@tapestry/status';
import type { FromDrive } from './messages.ts';
import { isOfConnection } from './network-drive.ts';

const BLAME: Readonly<Partial<Record<StatusName, MediaEvent>>> = {
  mediaOpenError: 'MEDIA_EVENT_LOAD_ERROR',
  driveNotReady: 'MEDIA_EVENT_LOAD_ERROR',
  mediaReadError: 'MEDIA_EVENT_READ_ERROR',
  mediaWriteError: 'MEDIA_EVENT_WRITE_ERROR',
  mediaPositionError: 'MEDIA_EVENT_POSITION_ERROR',
  writeProtected: 'MEDIA_EVENT_WRITE_PROTECTED',
  wrongTape: 'MEDIA_EVENT_WRONG_LABEL',
  cannotReadMediaHeader: 'MEDIA_EVENT_WRONG_LABEL',
  cannotOverwriteMedia: 'MEDIA_EVENT_WRONG_LABEL',
};

/**
 * The event of a failure while a volume is made ready; none for what says nothing of it: a lost grant, a full disk, the
 * connection to a drive.
 */
export function blameOf(error: unknown): (FromDrive & { type: 'mediaEvent' }) | null {
  if (!(error instanceof StatusError) || isOfConnection(error)) return null;
  const { status, detail } = error;
  const event = BLAME[status];
  return event === undefined ? null : { type: 'mediaEvent', event, detail };
}

/** Tells of the blame, and fails as the work did. */
export async function blaming<T>(
  report: (message: FromDrive) => void,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const blame = blameOf(error);
    if (blame !== null) report(blame);
    throw error;
  }
}
