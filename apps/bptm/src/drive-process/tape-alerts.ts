// The TapeAlert flags of a drive, told before it is given back: ltid decides what they mean for volume and drive.

import type { Drive } from '@tapestry/storage';
import type { FromDrive } from './messages.ts';

/** Never fails: a drive that cannot tell, or that another grant has by now, says nothing. */
export async function tellAlerts(
  drive: Pick<Drive, 'tapeAlerts'>,
  report: (message: FromDrive) => void,
): Promise<void> {
  try {
    const flags = (await drive.tapeAlerts?.()) ?? [];
    if (flags.length > 0) report({ type: 'tapeAlerts', flags });
  } catch {
    // The drive's own failure, if it has one, was told by what met it.
  }
}
