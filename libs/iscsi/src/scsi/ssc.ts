// Commands of sequential-access devices (SSC): CDBs, and what comes back.

const NOTHING = Buffer.alloc(0);
export const BLOCK_BYTES_MAX = 0xff_ffff;

const withCount = (cdb: Buffer, count: number): Buffer => {
  cdb.writeUIntBE(count, 2, 3);
  return cdb;
};

/** One block of any length, with a report when it is longer or shorter. */
export const read = (bytes: number): Buffer => withCount(Buffer.of(0x08, 0, 0, 0, 0, 0), bytes);
export const write = (bytes: number): Buffer => withCount(Buffer.of(0x0a, 0, 0, 0, 0, 0), bytes);

export const writeFilemarks = (count: number, isImmediate: boolean): Buffer =>
  withCount(Buffer.of(0x10, isImmediate ? 1 : 0, 0, 0, 0, 0), count);

export const SPACE = { blocks: 0, filemarks: 1, endOfData: 3 } as const;
/** What SPACE(6) can be told at a time. */
export const SPACE_MAX = 0x7f_ffff;

export function space(code: number, count: number): Buffer {
  const cdb = Buffer.of(0x11, code, 0, 0, 0, 0);
  cdb.writeIntBE(count, 2, 3);
  return cdb;
}

export const rewind = (): Buffer => Buffer.of(0x01, 0, 0, 0, 0, 0);
/** Ends the medium at the position. */
/** `isLong`: over the whole tape. */
export const erase = (isLong: boolean): Buffer => Buffer.of(0x19, isLong ? 1 : 0, 0, 0, 0, 0);
export const load = (): Buffer => Buffer.of(0x1b, 0, 0, 0, 1, 0);
export const unload = (): Buffer => Buffer.of(0x1b, 0, 0, 0, 0, 0);
/** UNLOAD at the end of the tape: what some emulations need to let go. */
export const unloadAtEnd = (): Buffer => Buffer.of(0x1b, 0, 0, 0, 2, 0);

export function locate10(object: number): Buffer {
  const cdb = Buffer.alloc(10);
  cdb[0] = 0x2b;
  cdb.writeUInt32BE(object, 3);
  return cdb;
}

export function locate16(object: number): Buffer {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x92;
  cdb.writeBigUInt64BE(BigInt(object), 4);
  return cdb;
}

export const LONG_POSITION_BYTES = 32;
export const readLongPosition = (): Buffer => Buffer.of(0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0);

export interface LongPosition {
  readonly object: number;
  /** Filemarks before the position. */
  readonly file: number;
}

/**
 * Null when the device does not know, or answers what cannot be: emulations exist that answer zeros wherever they are,
 * with reserved bits set and no beginning of the medium at object 0.
 */
export function parseLongPosition(data: Buffer): LongPosition | null {
  if (data.length < LONG_POSITION_BYTES) return null;
  const flags = data[0] ?? 0;
  const isUnknown = (flags & 0x0c) !== 0;
  const isReserved = (flags & 0x32) !== 0;
  const object = Number(data.readBigUInt64BE(8));
  const file = Number(data.readBigUInt64BE(16));
  const isBeginning = (flags & 0x80) !== 0;
  const isSafe = Number.isSafeInteger(object) && Number.isSafeInteger(file) && file <= object;
  if (isUnknown || isReserved || !isSafe || isBeginning !== (object === 0)) return null;
  return { object, file };
}

export const BLOCK_LIMITS_BYTES = 6;
export const readBlockLimits = (): Buffer => Buffer.of(0x05, 0, 0, 0, 0, 0);

export function parseBlockLimits(data: Buffer): { minBytes: number; maxBytes: number } {
  const maxBytes = data.length < BLOCK_LIMITS_BYTES ? 0 : data.readUIntBE(1, 3);
  const minBytes = data.length < BLOCK_LIMITS_BYTES ? 0 : data.readUInt16BE(4);
  return {
    minBytes: Math.max(1, minBytes),
    maxBytes: maxBytes === 0 ? BLOCK_BYTES_MAX : maxBytes,
  };
}

export const MODE_PAGE = { deviceConfiguration: 0x10, mediumConfiguration: 0x1d } as const;
export const LOG_PAGE = { sequentialAccess: 0x0c, tapeAlert: 0x2e, capacity: 0x31 } as const;

/** Header and block descriptor of MODE SELECT: blocks of any length, GOOD when a block is in the drive's buffer. */
export function variableBlockMode(density: number): Buffer {
  return Buffer.of(0, 0, 0x10, 8, density, 0, 0, 0, 0, 0, 0, 0);
}

/** Remaining and whole capacity of the first partition, from log page 31h, in MiB. */
export function parseCapacity(
  parameters: ReadonlyMap<number, Buffer>,
): { remainingMib: number; maxMib: number } | null {
  const number = (code: number): number | null => {
    const value = parameters.get(code);
    return value && value.length >= 4 ? value.readUInt32BE(0) : null;
  };
  const remainingMib = number(1);
  const maxMib = number(3);
  return remainingMib === null || maxMib === null ? null : { remainingMib, maxMib };
}

/** From log page 0Ch. */
export function parseCleaningRequired(parameters: ReadonlyMap<number, Buffer>): boolean {
  return (parameters.get(0x0100) ?? NOTHING).some((byte) => byte !== 0);
}

/** Numbers of the TapeAlert flags that are set, 1 to 64, from log page 2Eh. Reading the page clears them. */
export function parseTapeAlert(parameters: ReadonlyMap<number, Buffer>): number[] {
  return [...parameters]
    .filter(([code, value]) => code >= 1 && code <= 64 && ((value[0] ?? 0) & 1) === 1)
    .map(([code]) => code);
}

export const ATTRIBUTE_BYTES = 256;
export const BARCODE_ATTRIBUTE = 0x0806;

/** READ ATTRIBUTE: the values from one identifier on. */
export function readAttribute(first: number): Buffer {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x8c;
  cdb.writeUInt16BE(first, 8);
  cdb.writeUInt32BE(ATTRIBUTE_BYTES, 10);
  return cdb;
}

/** The text of one attribute; undefined when the list does not begin with it. */
export function parseAttribute(data: Buffer, id: number): string | undefined {
  if (data.length < 9 || data.readUInt16BE(4) !== id) return undefined;
  const bytes = data.subarray(9, 9 + data.readUInt16BE(7));
  return bytes.toString('latin1').replaceAll('\0', ' ').trim();
}
