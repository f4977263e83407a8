// Commands that every device knows (SPC): CDBs, and what comes back.

export const DEVICE_TYPE = { tape: 0x01, changer: 0x08 } as const;

export const testUnitReady = (): Buffer => Buffer.alloc(6);

export interface Inquiry {
  readonly deviceType: number;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

export const INQUIRY_BYTES = 96;

export const inquiry = (): Buffer => Buffer.of(0x12, 0, 0, 0, INQUIRY_BYTES, 0);

export function parseInquiry(data: Buffer): Inquiry {
  return {
    deviceType: (data[0] ?? 0) & 0x1f,
    vendor: text(data.subarray(8, 16)),
    product: text(data.subarray(16, 32)),
    revision: text(data.subarray(32, 36)),
  };
}

export const REPORT_LUNS_BYTES = 4096;

export function reportLuns(): Buffer {
  const cdb = Buffer.alloc(12);
  cdb[0] = 0xa0;
  cdb.writeUInt32BE(REPORT_LUNS_BYTES, 6);
  return cdb;
}

/** Numbers of the units with one level of addressing; others are none that we could reach. */
export function parseLuns(data: Buffer): number[] {
  if (data.length < 8) return [];
  const end = Math.min(data.length, 8 + data.readUInt32BE(0));
  const luns: number[] = [];
  for (let at = 8; at + 8 <= end; at += 8) {
    const isOneLevel = data.subarray(at + 2, at + 8).every((byte) => byte === 0);
    const method = (data[at] ?? 0) >> 6;
    if (isOneLevel && method < 2) luns.push(data.readUInt16BE(at) & 0x3fff);
  }
  return luns;
}

export const VPD_BYTES = 255;
export const VPD = { unitSerial: 0x80, deviceIdentification: 0x83 } as const;

export const inquiryPage = (page: number): Buffer => Buffer.of(0x12, 1, page, 0, VPD_BYTES, 0);

/** The serial number, without the blanks that some devices fill it up with on either side. */
export function parseUnitSerial(data: Buffer): string {
  if (data.length < 4 || data[1] !== VPD.unitSerial) return '';
  return text(data.subarray(4, 4 + data.readUInt16BE(2)));
}

export interface Identifier {
  /** 1 vendor, 2 EUI-64, 3 NAA, 8 SCSI name. */
  readonly type: number;
  /** 0 logical unit, 1 port, 2 device. */
  readonly association: number;
  /** Text of the identifiers that are text, hexadecimal digits of the others. */
  readonly value: string;
}

/** Device identification; a list that is cut gives what is whole of it. */
export function parseIdentifiers(data: Buffer): Identifier[] {
  if (data.length < 4 || data[1] !== VPD.deviceIdentification) return [];
  const end = Math.min(data.length, 4 + data.readUInt16BE(2));
  const identifiers: Identifier[] = [];
  for (let at = 4; at + 4 <= end; at += 4 + (data[at + 3] ?? 0)) {
    const bytes = data.subarray(at + 4, at + 4 + (data[at + 3] ?? 0));
    if (at + 4 + (data[at + 3] ?? 0) > end) break;
    const kind = data[at + 1] ?? 0;
    const isText = ((data[at] ?? 0) & 0x0f) !== 1;
    const value = isText ? text(bytes) : bytes.toString('hex');
    identifiers.push({ type: kind & 0x0f, association: (kind >> 4) & 3, value });
  }
  return identifiers;
}

/** Also LOG SENSE: page header and parameters by their code, of the cumulative values. */
export function logSense(page: number, allocationBytes: number): Buffer {
  const cdb = Buffer.of(0x4d, 0, 0x40 | page, 0, 0, 0, 0, 0, 0, 0);
  cdb.writeUInt16BE(allocationBytes, 7);
  return cdb;
}

export function parseLogPage(page: number, data: Buffer): ReadonlyMap<number, Buffer> {
  const parameters = new Map<number, Buffer>();
  if (data.length < 4 || ((data[0] ?? 0) & 0x3f) !== page) return parameters;
  const end = Math.min(data.length, 4 + data.readUInt16BE(2));
  for (let at = 4; at + 4 <= end; at += 4 + (data[at + 3] ?? 0)) {
    const valueEnd = at + 4 + (data[at + 3] ?? 0);
    if (valueEnd > end) break;
    parameters.set(data.readUInt16BE(at), data.subarray(at + 4, valueEnd));
  }
  return parameters;
}

export const preventRemoval = (isPrevented: boolean): Buffer =>
  Buffer.of(0x1e, 0, 0, 0, isPrevented ? 1 : 0, 0);

/** `page` 0x3f: all of them. */
export const modeSense = (page: number, allocationBytes: number): Buffer =>
  Buffer.of(0x1a, 0, page, 0, allocationBytes, 0);

export const modeSelect = (parameterBytes: number): Buffer =>
  Buffer.of(0x15, 0x10, 0, 0, parameterBytes, 0);

export interface ModeParameters {
  readonly deviceSpecific: number;
  /** Null without a block descriptor. */
  readonly density: number | null;
  readonly blockBytes: number;
  /** The first page behind the descriptor, empty without one. */
  readonly page: Buffer;
}

export function parseModeParameters(data: Buffer): ModeParameters {
  const descriptorBytes = data[3] ?? 0;
  const hasDescriptor = descriptorBytes >= 8 && data.length >= 12;
  return {
    deviceSpecific: data[2] ?? 0,
    density: hasDescriptor ? (data[4] ?? 0) : null,
    blockBytes: hasDescriptor ? data.readUIntBE(9, 3) : 0,
    page: data.subarray(4 + descriptorBytes),
  };
}

/** Blanks and NULs around are padding. */
export function text(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll('\0', ' ').trim();
}
