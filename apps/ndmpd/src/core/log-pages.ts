// LOG SENSE over a set of pages (SPC-4 6.6, 7.3), TapeAlert among them.

import { bit, good, invalidField, type ScsiReply } from './scsi-reply.ts';

export interface LogPage {
  readonly code: number;
  readonly parameters: readonly LogParameter[];
}

interface LogParameter {
  readonly code: number;
  readonly value: Buffer;
}

const TAPE_ALERT_FLAGS = 64;
const SUPPORTED_PAGES = 0x00;
export const LOG_SENSE = 0x4d;

const TAPE_ALERT = 0x2e;

/** All flags, these of them raised. */
export function tapeAlertPage(raised: readonly number[]): LogPage {
  return {
    code: TAPE_ALERT,
    parameters: Array.from({ length: TAPE_ALERT_FLAGS }, (_, i) => ({
      code: i + 1,
      value: Buffer.from([raised.includes(i + 1) ? 1 : 0]),
    })),
  };
}

/** Whether this is LOG SENSE of the TapeAlert flags, which clears them. */
export function asksTapeAlerts(cdb: Buffer): boolean {
  return cdb[0] === LOG_SENSE && ((cdb[2] ?? 0) & 0x3f) === TAPE_ALERT;
}

export function logSense(cdb: Buffer, pages: readonly LogPage[]): ScsiReply {
  if (bit(cdb, 1, 0)) return invalidField(1); // nothing can be saved
  const code = (cdb[2] ?? 0) & 0x3f;
  if ((cdb[3] ?? 0) !== 0) return invalidField(3);
  const first = cdb.readUInt16BE(5);
  const content =
    code === SUPPORTED_PAGES
      ? Buffer.from([SUPPORTED_PAGES, ...pages.map((page) => page.code)])
      : parametersFrom(pages.find((page) => page.code === code)?.parameters, first);
  if (content === undefined) return invalidField(2);
  if (content.length === 0) return invalidField(5); // the pointer is behind the last parameter
  const header = Buffer.from([code, 0, content.length >> 8, content.length]);
  return good(Buffer.concat([header, content]), cdb.readUInt16BE(7));
}

function parametersFrom(
  parameters: readonly LogParameter[] | undefined,
  first: number,
): Buffer | undefined {
  return (
    parameters &&
    Buffer.concat(
      parameters
        .filter(({ code }) => code >= first)
        .flatMap(({ code, value }) => [Buffer.from([code >> 8, code, 0, value.length]), value]),
    )
  );
}
