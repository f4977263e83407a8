// Failures of a drive or a library, by the symbol of their status, as NDMP says them.

import { NDMP_ERROR } from '@tapestry/ndmp';

export function tapeErrorOf(status: string): number {
  switch (status) {
    case 'driveNotReady':
      return NDMP_ERROR.noTapeLoaded;
    case 'writeProtected':
      return NDMP_ERROR.writeProtect;
    case 'invalidParameter':
      return NDMP_ERROR.illegalArgs;
    case 'mediaInUse':
    case 'staleGrant':
      return NDMP_ERROR.deviceBusy;
    default:
      return NDMP_ERROR.io;
  }
}
