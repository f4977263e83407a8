// INQUIRY: who a device is. Standard data and the vital product data pages 00h, 80h and 83h (SPC-4 6.4, 7.8).

import { asciiField, bit, good, invalidField, type ScsiReply } from './scsi-reply.ts';

export const DEVICE_TYPE = { tape: 0x01, changer: 0x08 } as const;

export interface ScsiIdentity {
  readonly deviceType: number;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly serial: string;
}

const VERSION_SPC4 = 0x06;
const RESPONSE_FORMAT = 0x02;
const VPD_PAGES = [0x00, 0x80, 0x83] as const;

export function inquiry(cdb: Buffer, identity: ScsiIdentity): ScsiReply {
  const page = cdb[2] ?? 0;
  const allocation = cdb.readUInt16BE(3);
  if (!bit(cdb, 1, 0)) {
    return page === 0 ? good(standardData(identity), allocation) : invalidField(2);
  }
  const content = vitalData(page, identity);
  if (content === undefined) return invalidField(2);
  const header = Buffer.from([identity.deviceType, page, content.length >> 8, content.length]);
  return good(Buffer.concat([header, content]), allocation);
}

function standardData({ deviceType, vendor, product, revision }: ScsiIdentity): Buffer {
  const removable = 0x80;
  const head = [deviceType, removable, VERSION_SPC4, RESPONSE_FORMAT, 36 - 5, 0, 0, 0];
  return Buffer.concat([
    Buffer.from(head),
    asciiField(vendor, 8),
    asciiField(product, 16),
    asciiField(revision, 4),
  ]);
}

function vitalData(page: number, identity: ScsiIdentity): Buffer | undefined {
  if (page === 0x00) return Buffer.from(VPD_PAGES);
  if (page === 0x80) return Buffer.from(identity.serial, 'ascii');
  if (page === 0x83) return designator(identity);
  return undefined;
}

/**
 * The T10 vendor ID designator (vendor, product, serial number). READ ELEMENT STATUS with DVCID names a drive by the
 * same bytes, which is how an initiator learns what element a drive sits in.
 */
export function designator({ vendor, product, serial }: Omit<ScsiIdentity, 'deviceType'>): Buffer {
  const asciiCodeSet = 0x02;
  const t10VendorId = 0x01;
  const value = Buffer.concat([
    asciiField(vendor, 8),
    asciiField(product, 16),
    Buffer.from(serial, 'ascii'),
  ]);
  return Buffer.concat([Buffer.from([asciiCodeSet, t10VendorId, 0, value.length]), value]);
}
