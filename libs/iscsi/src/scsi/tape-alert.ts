// The one question for a drive's TapeAlert flags, for those who send SCSI commands by another way than a session of ours.

import { logSense, parseLogPage } from './spc.ts';
import { LOG_PAGE, parseTapeAlert } from './ssc.ts';

/** Room for 64 flags. */
export const TAPE_ALERT_SENSE_BYTES = 512;
/** LOG SENSE of the page; answering it clears the flags. */
export const TAPE_ALERT_SENSE = logSense(LOG_PAGE.tapeAlert, TAPE_ALERT_SENSE_BYTES);

/** Numbers of the flags that are set; none when the data is another page's. */
export function parseTapeAlertPage(data: Buffer): number[] {
  return parseTapeAlert(parseLogPage(LOG_PAGE.tapeAlert, data));
}
