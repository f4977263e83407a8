// The basic header segment of RFC 7143, section 11: opcodes, places of fields, and an outgoing PDU as buffers.

import { crc32c } from './crc32c.ts';
import { totalBytes } from './parts.ts';

export const OPCODE = {
  nopOut: 0x00,
  scsiCommand: 0x01,
  taskManagement: 0x02,
  login: 0x03,
  text: 0x04,
  dataOut: 0x05,
  logout: 0x06,
  nopIn: 0x20,
  scsiResponse: 0x21,
  taskManagementResponse: 0x22,
  loginResponse: 0x23,
  textResponse: 0x24,
  dataIn: 0x25,
  logoutResponse: 0x26,
  r2t: 0x31,
  asyncMessage: 0x32,
  reject: 0x3f,
} as const;

export const BHS_BYTES = 48;
/** The reserved value of ITT and TTT: no tag. */
export const NO_TAG = 0xffff_ffff;
export const FINAL = 0x80;
export const IMMEDIATE = 0x40;
export const DIGEST_BYTES = 4;

/** Byte offsets in the header; which of them a PDU has depends on its opcode. */
export const AT = {
  flags: 1,
  response: 2,
  status: 3,
  ahsWords: 4,
  lun: 8,
  initiatorTag: 16,
  expectedBytes: 20,
  targetTag: 20,
  referencedTag: 20,
  cmdSn: 24,
  statSn: 24,
  expStatSn: 28,
  expCmdSn: 28,
  maxCmdSn: 32,
  refCmdSn: 32,
  cdb: 32,
  dataSn: 36,
  bufferOffset: 40,
  desiredBytes: 44,
  residual: 44,
} as const;

export interface Digests {
  readonly header: boolean;
  readonly data: boolean;
}

export function newHeader(opcode: number, flags: number, initiatorTag: number): Buffer {
  const header = Buffer.alloc(BHS_BYTES);
  header[0] = opcode;
  header[AT.flags] = flags;
  header.writeUInt32BE(initiatorTag, AT.initiatorTag);
  return header;
}

export function opcodeOf(header: Uint8Array): number {
  return (header[0] ?? 0) & 0x3f;
}

export function dataBytesOf(header: Buffer): number {
  return header.readUIntBE(5, 3);
}

/** The eight bytes of a logical unit number below 16384: peripheral addressing below 256, else flat. */
export function encodeLun(lun: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE(lun < 256 ? lun : 0x4000 | lun, 0);
  return bytes;
}

const PADDING = Buffer.alloc(3);

/** Header, digests, data and padding in the order of the wire; the data is not copied. Sets the length in `header`. */
export function encodePdu(
  header: Buffer,
  data: readonly Uint8Array[],
  digests: Digests,
): Uint8Array[] {
  const dataBytes = totalBytes(data);
  header.writeUIntBE(dataBytes, 5, 3);
  const parts: Uint8Array[] = [header];
  if (digests.header) parts.push(encodeDigest([header]));
  if (dataBytes === 0) return parts;
  const pad = PADDING.subarray(0, -dataBytes & 3);
  parts.push(...data);
  if (pad.length > 0) parts.push(pad);
  if (digests.data) parts.push(encodeDigest([...data, pad]));
  return parts;
}

export function encodeDigest(parts: readonly Uint8Array[]): Buffer {
  const digest = Buffer.alloc(DIGEST_BYTES);
  digest.writeUInt32LE(crc32c(parts));
  return digest;
}
