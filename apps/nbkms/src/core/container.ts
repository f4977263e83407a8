// The one form of the three files: a clear header with typed fields, a sealed body, its tag, a digest over everything
// and an end mark. This file knows bytes only; sealing and digests are adapters/sealing.ts. Integers are big-endian.

export type FileKind = 'data' | 'kpk' | 'hmk';

export const MAGIC: Readonly<Record<FileKind, string>> = {
  data: 'NBKMSDAT',
  kpk: 'NBKMSKPK',
  hmk: 'NBKMSHMK',
};
export const END_MARK = 'NBKMSEND';
export const FORMAT_VERSION = 1;
export const TAG_BYTES = 16;
export const DIGEST_BYTES = 32;
/** Tag, digest and end mark. */
export const TRAILER_BYTES = TAG_BYTES + DIGEST_BYTES + END_MARK.length;
/** The smallest file there can be: a header without fields and a trailer. */
export const SIZE_MIN_BYTES = 56 + TRAILER_BYTES;

export const FLAG = { hmkFromPassphrase: 1, kpkFromPassphrase: 2, rootSealed: 8 } as const;

/** Types of the header's fields; those from 0x8000 on may be ignored when unknown, the others may not. */
export const FIELD = {
  hmkId: 1,
  kpkId: 2,
  hmkFingerprint: 3,
  kpkFingerprint: 4,
  siteSalt: 5,
  hmkKdf: 6,
  kpkKdf: 7,
  iv: 8,
  bodyLength: 9,
  rootProvider: 10,
  writer: 11,
} as const;
const FIELD_OPTIONAL = 0x8000;
const FIELD_KNOWN_MAX = 11;
const FIXED_BYTES = 56;

export interface Header {
  readonly kind: FileKind;
  readonly flags: number;
  /** 16 bytes, the same in the three files of a store. */
  readonly storeId: Buffer;
  /** One higher for each change of the store. */
  readonly generation: bigint;
  /** One higher for each change of a master key; equal in files that belong together. */
  readonly epoch: bigint;
  readonly writtenMs: bigint;
  readonly fields: ReadonlyMap<number, Buffer>;
}

export function encodeHeader(header: Header): Buffer {
  const fields = [...header.fields]
    .sort(([a], [b]) => a - b)
    .map(([type, value]) => {
      const head = Buffer.alloc(4);
      head.writeUInt16BE(type, 0);
      head.writeUInt16BE(value.length, 2);
      return Buffer.concat([head, value]);
    });
  const sizeBytes = FIXED_BYTES + fields.reduce((sum, field) => sum + field.length, 0);
  // Padded with at least four zero bytes, a field of type 0, so that the end of the fields is never in doubt.
  const length = Math.ceil((sizeBytes + 4) / 8) * 8;
  const bytes = Buffer.alloc(length);
  bytes.write(MAGIC[header.kind], 0, 'latin1');
  bytes.writeUInt16BE(FORMAT_VERSION, 8);
  bytes.writeUInt16BE(length, 10);
  bytes.writeUInt32BE(header.flags, 12);
  header.storeId.copy(bytes, 16);
  bytes.writeBigUInt64BE(header.generation, 32);
  bytes.writeBigUInt64BE(header.epoch, 40);
  bytes.writeBigUInt64BE(header.writtenMs, 48);
  Buffer.concat(fields).copy(bytes, FIXED_BYTES);
  return bytes;
}

export interface Parts {
  readonly header: Header;
  /** The header as it stands in the file: what the tag authenticates beside the body. */
  readonly headerBytes: Buffer;
  readonly body: Buffer;
  readonly tag: Buffer;
}

/** Undefined: another magic, another version, or a field that this release must know and does not. */
export function parseFile(file: Buffer, kind: FileKind): Parts | undefined {
  if (file.toString('latin1', 0, 8) !== MAGIC[kind]) return undefined;
  if (file.readUInt16BE(8) !== FORMAT_VERSION) return undefined;
  const headerLength = file.readUInt16BE(10);
  if (headerLength < FIXED_BYTES || headerLength > file.length - TRAILER_BYTES) return undefined;
  const headerBytes = file.subarray(0, headerLength);
  const fields = parseFields(headerBytes.subarray(FIXED_BYTES));
  if (fields === undefined) return undefined;
  const bodyEnd = file.length - TRAILER_BYTES;
  const body = file.subarray(headerLength, bodyEnd);
  if (numberField(fields, FIELD.bodyLength) !== BigInt(body.length)) return undefined;
  return {
    header: {
      ...{ kind, flags: file.readUInt32BE(12), storeId: file.subarray(16, 32), fields },
      ...{ generation: file.readBigUInt64BE(32), epoch: file.readBigUInt64BE(40) },
      writtenMs: file.readBigUInt64BE(48),
    },
    ...{ headerBytes, body, tag: file.subarray(bodyEnd, bodyEnd + TAG_BYTES) },
  };
}

function parseFields(bytes: Buffer): Map<number, Buffer> | undefined {
  const fields = new Map<number, Buffer>();
  let at = 0;
  while (at + 4 <= bytes.length) {
    const type = bytes.readUInt16BE(at);
    const length = bytes.readUInt16BE(at + 2);
    if (type === 0) return fields;
    if (type > FIELD_KNOWN_MAX && type < FIELD_OPTIONAL) return undefined;
    if (at + 4 + length > bytes.length) return undefined;
    fields.set(type, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields;
}

export function numberField(fields: ReadonlyMap<number, Buffer>, type: number): bigint | undefined {
  const value = fields.get(type);
  return value?.length === 8 ? value.readBigUInt64BE(0) : undefined;
}

export function textField(fields: ReadonlyMap<number, Buffer>, type: number): string {
  return fields.get(type)?.toString('utf8') ?? '';
}
