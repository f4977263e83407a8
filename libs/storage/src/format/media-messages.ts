// Header and trailer messages of a fragment, between their protobuf form and plain objects with bigint for 64 bits.
// The schema is proto/tapestry/media/v1/media.proto; it is read once, when this file is loaded.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StatusError } from '@tapestry/status';
import protobuf from 'protobufjs';

export type FragmentLayout = 'blocks' | 'mover';
export type EndReason = 'streamEnd' | 'fragmentFull' | 'mediumFull' | 'aborted';

export interface EnvVar {
  readonly name: string;
  readonly value: string;
}

/** Enough about an image to enter it into a catalog that lost it. Times are epoch milliseconds. */
export interface ImageRecord {
  readonly backupId: string;
  readonly client: string;
  readonly policy: string;
  readonly policyType: string;
  readonly schedule: string;
  readonly scheduleType: number;
  readonly jobId: bigint;
  readonly backupTimeMs: bigint;
  readonly expiresMs: bigint;
  readonly retentionLevel: number;
  readonly level: number;
  readonly streamNumber: number;
  readonly backupPath: string;
  readonly backupType: string;
  readonly ndmpHost: string;
  readonly env: readonly EnvVar[];
  readonly baseBackupId: string;
  readonly keywords: readonly string[];
}

/** How the payload of a stream is sealed. */
export interface EncryptionRecord {
  readonly cipher: 'aes256Gcm';
  readonly keyTag: Uint8Array;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  readonly keyGroup: string;
  readonly recoveryHint: Uint8Array;
}

export interface StreamRecord {
  /** 0, and the only one, unless the fragment is multiplexed. */
  readonly stream: number;
  readonly image: ImageRecord;
  readonly copy: number;
  /** From 1 within the copy. */
  readonly fragment: number;
  readonly streamBeginBytes: bigint;
  readonly previousSegment: Uint8Array;
  /** Null when clear. */
  readonly encryption: EncryptionRecord | null;
}

export interface FragmentHeader {
  /** 16 random bytes, repeated in every block of the fragment. */
  readonly segment: Uint8Array;
  readonly layout: FragmentLayout;
  readonly mediaId: string;
  readonly mediaAssignedMs: bigint;
  /** Tape file in which the header lies; the label is file 0. */
  readonly fileNumber: number;
  readonly blockSizeBytes: number;
  readonly writtenMs: bigint;
  readonly mediaServer: string;
  readonly software: string;
  readonly streams: readonly StreamRecord[];
}

export interface StreamEnd {
  readonly stream: number;
  readonly dataBlocks: bigint;
  readonly streamEndBytes: bigint;
  /** Only in multiplexed fragments. */
  readonly index: SparseIndex | null;
  readonly env: readonly EnvVar[];
  /** In a multiplexed fragment each stream has its own; else it is the fragment's. */
  readonly endReason: EndReason;
}

/** Entry i: number of the data block, from 0, that holds stream byte (begin + i × stepBytes). */
export interface SparseIndex {
  readonly stepBytes: bigint;
  readonly blocks: readonly bigint[];
}

export interface FragmentTrailer {
  readonly segment: Uint8Array;
  readonly mediaId: string;
  readonly fileNumber: number;
  readonly endReason: EndReason;
  readonly dataBlocks: bigint;
  /** 32 bytes: over the checksums of header and data blocks, in layout `mover` of the header's alone. */
  readonly digest: Uint8Array;
  readonly closedMs: bigint;
  readonly streams: readonly StreamEnd[];
}

/** The only version so far. A reader refuses a higher one: it could not know what it skips. */
export const FORMAT_VERSION = 1;

const LAYOUTS = { blocks: 1, mover: 2 } as const;
const END_REASONS = { streamEnd: 1, fragmentFull: 2, mediumFull: 3, aborted: 4 } as const;
const CIPHERS = { aes256Gcm: 1 } as const;

const SCHEMA = readFileSync(
  new URL('../../proto/tapestry/media/v1/media.proto', import.meta.url),
  'utf8',
);
const { root } = protobuf.parse(SCHEMA, { keepCase: false });
const HEADER = root.lookupType('tapestry.media.v1.FragmentHeader');
const TRAILER = root.lookupType('tapestry.media.v1.FragmentTrailer');

export function encodeFragmentHeader(header: FragmentHeader): Uint8Array {
  const streams = header.streams.map((stream) => ({
    ...stream,
    encryption: stream.encryption && {
      ...stream.encryption,
      cipher: CIPHERS[stream.encryption.cipher],
    },
  }));
  const plain = {
    ...header,
    formatVersion: FORMAT_VERSION,
    layout: LAYOUTS[header.layout],
    streams,
  };
  return encode(HEADER, plain);
}

export function encodeFragmentTrailer(trailer: FragmentTrailer): Uint8Array {
  const endReason = END_REASONS[trailer.endReason];
  const streams = trailer.streams.map((end) => ({
    ...end,
    endReason: end.endReason === trailer.endReason ? 0 : END_REASONS[end.endReason],
  }));
  return encode(TRAILER, { ...trailer, formatVersion: FORMAT_VERSION, endReason, streams });
}

/**
 * What a stream's key is bound to: SHA-256 of the header message without any salt and commitment. Changing a header then
 * changes the key, and nothing opens.
 */
export function fragmentHeaderHash(header: FragmentHeader): Uint8Array {
  const none = new Uint8Array();
  const streams = header.streams.map((stream) => ({
    ...stream,
    encryption: stream.encryption && { ...stream.encryption, salt: none, commitment: none },
  }));
  return createHash('sha256')
    .update(encodeFragmentHeader({ ...header, streams }))
    .digest();
}

/** Throws `cannotReadBackupHeader` when the bytes are no header of a version that this release knows. */
export function decodeFragmentHeader(bytes: Uint8Array): FragmentHeader {
  const { formatVersion: _, ...plain } = decode(
    HEADER,
    bytes,
  ) as unknown as Versioned<FragmentHeader>;
  const streams = plain.streams.map((stream) => ({
    ...stream,
    encryption: stream.encryption && {
      ...stream.encryption,
      cipher: nameOf(CIPHERS, stream.encryption.cipher),
    },
  }));
  return { ...plain, layout: nameOf(LAYOUTS, plain.layout), streams };
}

/** Throws `cannotReadBackupHeader` when the bytes are no trailer of a version that this release knows. */
export function decodeFragmentTrailer(bytes: Uint8Array): FragmentTrailer {
  const decoded = decode(TRAILER, bytes) as unknown as Versioned<FragmentTrailer>;
  const { formatVersion: _, ...plain } = decoded;
  const endReason = nameOf(END_REASONS, plain.endReason);
  const streams = plain.streams.map((end) => ({
    ...end,
    endReason: (end.endReason as unknown) === 0 ? endReason : nameOf(END_REASONS, end.endReason),
  }));
  return { ...plain, endReason, streams };
}

type Versioned<T> = T & { formatVersion: number };

/** Through fromObject always: encode alone writes a bigint as 0 without a word. */
function encode(type: protobuf.Type, plain: object): Uint8Array {
  return type.encode(type.fromObject(plain)).finish();
}

function decode(type: protobuf.Type, bytes: Uint8Array): { formatVersion: number } {
  let plain: { formatVersion: number };
  try {
    const message = type.decode(bytes);
    plain = type.toObject(message, { longs: BigInt, defaults: true, arrays: true }) as typeof plain;
  } catch (cause) {
    throw new StatusError('cannotReadBackupHeader', `no ${type.name}`, {}, { cause });
  }
  if (plain.formatVersion !== FORMAT_VERSION) {
    const detail = `${type.name} has format version ${plain.formatVersion}, not ${FORMAT_VERSION}`;
    throw new StatusError('cannotReadBackupHeader', detail);
  }
  return plain;
}

function nameOf<T extends Record<string, number>>(names: T, value: unknown): keyof T & string {
  const found = Object.keys(names).find((name) => names[name] === value);
  if (found) return found;
  throw new StatusError('cannotReadBackupHeader', `value ${value} is unknown to this release`);
}
