// MODE SENSE(6) and (10) over a set of pages: headers, page control and truncation (SPC-4 6.11, 7.5).

import { bit, check, good, invalidField, type ScsiReply, SENSE } from './scsi-reply.ts';

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;
const PAGE_CONTROL = { changeable: 1, saved: 3 } as const;

export interface ModeParameters {
  readonly deviceSpecific: number;
  /** Left out where the command sets DBD; empty for devices without blocks. */
  readonly blockDescriptor: Buffer;
  /** Whole pages with their two-byte heads, ascending. None of their fields can be changed. */
  readonly pages: readonly Buffer[];
}

export function modeSense(cdb: Buffer, parameters: ModeParameters): ScsiReply {
  const isLong = cdb[0] === 0x5a;
  const control = (cdb[2] ?? 0) >> 6;
  const code = (cdb[2] ?? 0) & 0x3f;
  const subpage = cdb[3] ?? 0;
  if (control === PAGE_CONTROL.saved) return check(SENSE.savingUnsupported);
  if (subpage !== 0 && subpage !== ALL_SUBPAGES) return invalidField(3);
  const pages = parameters.pages.filter((page) => code === ALL_PAGES || page[0] === code);
  if (pages.length === 0) return invalidField(2);
  const shown = control === PAGE_CONTROL.changeable ? pages.map(withoutValues) : pages;
  const descriptor = bit(cdb, 1, 3) ? Buffer.alloc(0) : parameters.blockDescriptor;
  const body = Buffer.concat([descriptor, ...shown]);
  const head = header(isLong, body.length, parameters.deviceSpecific, descriptor.length);
  return good(Buffer.concat([head, body]), isLong ? cdb.readUInt16BE(7) : cdb[4]);
}

function header(
  isLong: boolean,
  bodyBytes: number,
  deviceSpecific: number,
  descriptorBytes: number,
): Buffer {
  if (!isLong) return Buffer.from([bodyBytes + 3, 0, deviceSpecific, descriptorBytes]);
  const long = Buffer.alloc(8);
  long.writeUInt16BE(bodyBytes + 6, 0);
  long[3] = deviceSpecific;
  long.writeUInt16BE(descriptorBytes, 6);
  return long;
}

function withoutValues(page: Buffer): Buffer {
  const blank = Buffer.alloc(page.length);
  page.copy(blank, 0, 0, 2);
  return blank;
}
