// Just enough protobuf to read header and trailer messages: a table of fields per message, and nothing that writes.

import { TapeError } from './cartridge.ts';

/** Fields by number: name and kind; a kind that is a table is a message, `[]` behind the name means repeated. */
export interface Schema {
  readonly [field: number]: readonly [
    name: string,
    kind: 'number' | 'bigint' | 'text' | 'bytes' | Schema,
  ];
}

const ENV: Schema = { 1: ['name', 'text'], 2: ['value', 'text'] };

const IMAGE: Schema = {
  1: ['backupId', 'text'],
  2: ['client', 'text'],
  3: ['policy', 'text'],
  4: ['policyType', 'text'],
  5: ['schedule', 'text'],
  6: ['scheduleType', 'number'],
  7: ['jobId', 'bigint'],
  8: ['backupTimeMs', 'bigint'],
  9: ['expiresMs', 'bigint'],
  10: ['retentionLevel', 'number'],
  11: ['level', 'number'],
  12: ['streamNumber', 'number'],
  13: ['backupPath', 'text'],
  14: ['backupType', 'text'],
  15: ['ndmpHost', 'text'],
  16: ['env[]', ENV],
  17: ['baseBackupId', 'text'],
  18: ['keywords[]', 'text'],
};

const STREAM: Schema = {
  1: ['stream', 'number'],
  2: ['image', IMAGE],
  3: ['copy', 'number'],
  4: ['fragment', 'number'],
  5: ['begin', 'bigint'],
  6: ['previousSegment', 'bytes'],
  7: ['encryption', { 1: ['cipher', 'number'], 2: ['keyTag', 'bytes'] }],
};

export const HEADER: Schema = {
  1: ['version', 'number'],
  2: ['segment', 'bytes'],
  3: ['layout', 'number'],
  4: ['mediaId', 'text'],
  5: ['mediaAssignedMs', 'bigint'],
  6: ['file', 'number'],
  7: ['blockSize', 'number'],
  8: ['writtenMs', 'bigint'],
  11: ['streams[]', STREAM],
};

export const TRAILER: Schema = {
  1: ['version', 'number'],
  2: ['segment', 'bytes'],
  5: ['endReason', 'number'],
  6: ['dataBlocks', 'bigint'],
  7: ['digest', 'bytes'],
  9: [
    'streams[]',
    {
      1: ['stream', 'number'],
      2: ['dataBlocks', 'bigint'],
      3: ['end', 'bigint'],
      4: ['index', { 1: ['step', 'bigint'], 2: ['blocks[]', 'bigint'] }],
      5: ['env[]', ENV],
      6: ['endReason', 'number'],
    },
  ],
};

export type Message = { [name: string]: unknown };

/** Fields that are absent have their default: 0, empty, or no entries; an absent message is missing. */
export function readMessage(bytes: Buffer, schema: Schema): Message {
  const message: Message = {};
  for (const [name, kind] of Object.values(schema)) {
    if (name.endsWith('[]')) message[name.slice(0, -2)] = [];
    else if (kind === 'number') message[name] = 0;
    else if (kind === 'bigint') message[name] = 0n;
    else if (kind === 'text') message[name] = '';
    else if (kind === 'bytes') message[name] = Buffer.alloc(0);
  }
  let at = 0;
  while (at < bytes.length) {
    const key = readVarint(bytes, at);
    at = key.end;
    const wireType = Number(key.value & 7n);
    const field = schema[Number(key.value >> 3n)];
    if (wireType === 0) {
      const varint = readVarint(bytes, at);
      at = varint.end;
      if (field) message[field[0]] = field[1] === 'bigint' ? varint.value : Number(varint.value);
    } else if (wireType === 2) {
      const length = readVarint(bytes, at);
      const end = length.end + Number(length.value);
      if (end > bytes.length) throw new TapeError('a field is longer than its message');
      if (field) setField(message, field, bytes.subarray(length.end, end));
      at = end;
    } else {
      at += wireType === 1 ? 8 : 4;
    }
  }
  return message;
}

function setField(message: Message, [name, kind]: Schema[number], bytes: Buffer): void {
  let value: unknown = bytes;
  if (kind === 'bigint') {
    // Numbers one behind the other in one field: packed.
    const values = message[name.slice(0, -2)] as bigint[];
    for (let at = 0; at < bytes.length; ) {
      const varint = readVarint(bytes, at);
      values.push(varint.value);
      at = varint.end;
    }
    return;
  }
  if (kind === 'text') value = bytes.toString('utf8');
  else if (typeof kind === 'object') value = readMessage(bytes, kind);
  if (name.endsWith('[]')) (message[name.slice(0, -2)] as unknown[]).push(value);
  else message[name] = value;
}

function readVarint(bytes: Buffer, from: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = from; at < bytes.length && at < from + 10; at++) {
    const byte = bytes[at] as number;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new TapeError('a number does not end');
}
