// What a SCSI device answers to a command: a status, the data, and fixed-format sense when something is wrong
// (SPC-4). Shared by the emulated changer and the emulated drive.

export const SCSI_STATUS = { good: 0x00, checkCondition: 0x02 } as const;

export interface ScsiReply {
  readonly status: number;
  readonly data: Buffer;
  /** Empty unless the status is CHECK CONDITION. */
  readonly sense: Buffer;
}

export interface SenseCode {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

export const SENSE = {
  none: { key: 0x0, asc: 0x00, ascq: 0x00 },
  noMedium: { key: 0x2, asc: 0x3a, ascq: 0x00 },
  unreadableMedium: { key: 0x3, asc: 0x30, ascq: 0x00 },
  internalFailure: { key: 0x4, asc: 0x44, ascq: 0x00 },
  invalidOpcode: { key: 0x5, asc: 0x20, ascq: 0x00 },
  invalidElement: { key: 0x5, asc: 0x21, ascq: 0x01 },
  invalidField: { key: 0x5, asc: 0x24, ascq: 0x00 },
  savingUnsupported: { key: 0x5, asc: 0x39, ascq: 0x00 },
  destinationFull: { key: 0x5, asc: 0x3b, ascq: 0x0d },
  sourceEmpty: { key: 0x5, asc: 0x3b, ascq: 0x0e },
  removalPrevented: { key: 0x5, asc: 0x53, ascq: 0x02 },
} as const satisfies Readonly<Record<string, SenseCode>>;

const SENSE_BYTES = 18;
const EMPTY = Buffer.alloc(0);

/** GOOD with data cut to the allocation length, which is no error (SPC-4 4.2.5.6). */
export function good(data: Buffer = EMPTY, allocationBytes = data.length): ScsiReply {
  return { status: SCSI_STATUS.good, data: data.subarray(0, allocationBytes), sense: EMPTY };
}

export function check(code: SenseCode): ScsiReply {
  return { status: SCSI_STATUS.checkCondition, data: EMPTY, sense: fixedSense(code) };
}

/** ILLEGAL REQUEST, with the field pointer on the byte of the CDB that was wrong. */
export function invalidField(cdbByte: number): ScsiReply {
  const reply = check(SENSE.invalidField);
  reply.sense[15] = 0xc0; // SKSV, and the error is in the command
  reply.sense.writeUInt16BE(cdbByte, 16);
  return reply;
}

function fixedSense({ key, asc, ascq }: SenseCode): Buffer {
  const sense = Buffer.alloc(SENSE_BYTES);
  sense[0] = 0x70;
  sense[2] = key;
  sense[7] = SENSE_BYTES - 8;
  sense[12] = asc;
  sense[13] = ascq;
  return sense;
}

/** REQUEST SENSE: nothing is ever pending, because every reply brings its own sense. */
export function requestSense(cdb: Buffer): ScsiReply {
  if (bit(cdb, 1, 0)) return invalidField(1); // descriptor format
  return good(fixedSense(SENSE.none), cdb[4]);
}

/** Bytes in a CDB with this opcode; undefined for the reserved and vendor groups. */
export function cdbBytes(opcode: number): number | undefined {
  return [6, 10, 10, undefined, 16, 12][opcode >> 5];
}

export function bit(bytes: Buffer, byte: number, bitNumber: number): boolean {
  return (((bytes[byte] ?? 0) >> bitNumber) & 1) === 1;
}

/** Text in a fixed field, padded with blanks (SPC-4 4.4.1). */
export function asciiField(text: string, bytes: number): Buffer {
  return Buffer.from(text.slice(0, bytes).padEnd(bytes, ' '), 'ascii');
}
