// One block as it lies on a medium: 64 bytes of prologue in clear, the payload, 16 bytes of tag. Header, data and
// trailer blocks have this one layout, clear or encrypted. Pure, and nothing is copied.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { StatusError } from '@tapestry/status';
import { crcOfFilledField } from './crc-field.ts';

export const PROLOGUE_BYTES = 64;
export const TAG_BYTES = 16;
/** Where the payload begins: a socket may read straight to here. */
export const PAYLOAD_OFFSET = PROLOGUE_BYTES;
export const DEFAULT_BLOCK_SIZE_BYTES = 262_144;
export const MIN_BLOCK_SIZE_BYTES = 1024;
export const MAX_BLOCK_SIZE_BYTES = 4 * 1024 * 1024;

const CRC_OFFSET = 24;

const MAGIC = Buffer.from('TPSTRYB1', 'latin1');
const ENCRYPTED = 1;

/** `data` blocks are full; each stream of a fragment ends with exactly one `finalData`, which may be empty. */
export const BLOCK_TYPE = {
  data: 1,
  finalData: 2,
  index: 3,
  padding: 4,
  header: 16,
  trailer: 17,
} as const;
export type BlockType = keyof typeof BLOCK_TYPE;

export interface Prologue {
  readonly segment: Uint8Array;
  readonly type: BlockType;
  /** 0 unless multiplexed; 24 bits. */
  readonly stream: number;
  readonly payloadLength: number;
  /** Counts the data blocks of this stream in this fragment from 0; 0 in header and trailer. */
  readonly index: number;
  /** From 1 within the copy. */
  readonly fragment: number;
  /** Stream offset of the first payload byte; 0 in header and trailer. */
  readonly streamOffset: bigint;
  readonly encrypted: boolean;
}

/** Checksums of a sealed block: what its field says, and of all its bytes as they are (`WriteBlock.crc32`). */
export interface SealedCrc {
  readonly crc: number;
  readonly wholeCrc: number;
}

export interface OpenedBlock extends Prologue {
  readonly crc: number;
  /** A view of the payload in the block; ciphertext when encrypted: then see `decryptBlock`. */
  readonly payload: Uint8Array;
}

/** Seals and opens the payload area of encrypted blocks, under one segment's key. */
export interface BlockCipher {
  seal(
    nonce: Uint8Array,
    aad: Uint8Array,
    plain: Uint8Array,
  ): { sealed: Uint8Array; tag: Uint8Array };
  /** Throws when the tag does not match. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, tag: Uint8Array): Uint8Array;
}

/** P = B − 80. */
export function payloadCapacity(blockSizeBytes: number): number {
  return blockSizeBytes - PROLOGUE_BYTES - TAG_BYTES;
}

/**
 * Makes a block of the whole buffer, whose payload is in place already: fills the prologue, zeroes what lies behind the
 * payload and the tag, and sums.
 */
export function sealClearBlock(block: Uint8Array, prologue: Prologue): SealedCrc {
  assert(prologue.payloadLength <= payloadCapacity(block.length));
  assert(!prologue.encrypted);
  writePrologue(block, prologue);
  block.fill(0, PAYLOAD_OFFSET + prologue.payloadLength);
  return sumParts([block]);
}

/**
 * The same for an encrypted block. The cipher writes to a buffer of its own, so the block on the medium is `parts` and
 * not the buffer that was given, which still holds the plaintext behind its prologue.
 */
export function sealEncryptedBlock(
  block: Uint8Array,
  prologue: Prologue,
  cipher: BlockCipher,
): SealedCrc & { readonly parts: readonly Uint8Array[] } {
  assert(prologue.payloadLength <= payloadCapacity(block.length));
  assert(prologue.encrypted);
  writePrologue(block, prologue);
  block.fill(0, PAYLOAD_OFFSET + prologue.payloadLength);
  const area = block.subarray(PAYLOAD_OFFSET, block.length - TAG_BYTES);
  const { sealed, tag } = cipher.seal(nonceOf(block), authenticatedData(block), area);
  assert(sealed.length === area.length && tag.length === TAG_BYTES);
  const parts = [block.subarray(0, PROLOGUE_BYTES), sealed, tag];
  return { parts, ...sumParts(parts) };
}

/** The payload in clear, of a block that `openBlock` accepted. Throws `mediaReadError` when the tag does not match. */
export function decryptBlock(block: Uint8Array, cipher: BlockCipher): Uint8Array {
  const area = block.subarray(PAYLOAD_OFFSET, block.length - TAG_BYTES);
  const tag = block.subarray(block.length - TAG_BYTES);
  try {
    const plain = cipher.open(nonceOf(block), authenticatedData(block), area, tag);
    return plain.subarray(0, viewOf(block).getUint32(36));
  } catch (cause) {
    throw new StatusError('mediaReadError', 'a block does not open with its key', {}, { cause });
  }
}

/** Type, stream and index: never the same twice under one segment's key. */
function nonceOf(block: Uint8Array): Uint8Array {
  return Buffer.concat([block.subarray(32, 36), block.subarray(40, 48)]);
}

/** The prologue without its checksum, which is made last. */
function authenticatedData(block: Uint8Array): Uint8Array {
  return Buffer.concat([block.subarray(0, CRC_OFFSET), block.subarray(28, PROLOGUE_BYTES)]);
}

function writePrologue(block: Uint8Array, prologue: Prologue): void {
  const view = viewOf(block);
  block.set(MAGIC, 0);
  block.set(prologue.segment, 8);
  view.setUint32(24, 0);
  view.setUint32(28, block.length);
  view.setUint32(32, BLOCK_TYPE[prologue.type] * 0x100_0000 + prologue.stream);
  view.setUint32(36, prologue.payloadLength);
  view.setUint32(40, Math.floor(prologue.index / 0x1_0000_0000));
  view.setUint32(44, prologue.index % 0x1_0000_0000);
  view.setUint32(48, prologue.fragment);
  view.setUint32(52, prologue.encrypted ? ENCRYPTED : 0);
  view.setBigUint64(56, prologue.streamOffset);
}

/** Sums a block whose checksum field is zero, and fills the field. */
function sumParts(parts: readonly Uint8Array[]): SealedCrc {
  let crc = 0;
  let length = 0;
  for (const part of parts) {
    crc = crc32(part, crc);
    length += part.length;
  }
  viewOf(parts[0] as Uint8Array).setUint32(CRC_OFFSET, crc);
  return { crc, wholeCrc: crcOfFilledField(crc, crc, length - CRC_OFFSET - 4) };
}

/**
 * Checks one block of exactly this length. `wholeCrc` is the CRC-32 of all its bytes where the drive computed it
 * (`ReadResult.crc32`): then they are not read once more. Throws `mediaReadError` when the block is damaged or is none.
 */
export function openBlock(block: Uint8Array, wholeCrc: number | null = null): OpenedBlock {
  if (!isBlock(block)) throw new StatusError('mediaReadError', 'what was read is no block of ours');
  const view = viewOf(block);
  const crc = view.getUint32(CRC_OFFSET);
  const intact = crcOfFilledField(crc, crc, block.length - CRC_OFFSET - 4);
  const type = typeOf(view.getUint8(32));
  const payloadLength = view.getUint32(36);
  const damaged =
    view.getUint32(28) !== block.length ||
    (wholeCrc ?? crc32(block)) !== intact ||
    payloadLength > payloadCapacity(block.length);
  if (damaged)
    throw new StatusError('mediaReadError', 'a block is damaged: its checksum or length');
  if (!type) throw new StatusError('mediaReadError', `block type ${view.getUint8(32)} is unknown`);
  return {
    segment: block.subarray(8, 24),
    type,
    stream: view.getUint32(32) & 0xff_ffff,
    payloadLength,
    index: view.getUint32(40) * 0x1_0000_0000 + view.getUint32(44),
    fragment: view.getUint32(48),
    streamOffset: view.getBigUint64(56),
    encrypted: (view.getUint32(52) & ENCRYPTED) !== 0,
    crc,
    payload: block.subarray(PAYLOAD_OFFSET, PAYLOAD_OFFSET + payloadLength),
  };
}

/** True when the bytes begin as a block of ours does; says nothing about damage. */
export function isBlock(block: Uint8Array): boolean {
  return (
    block.length >= PROLOGUE_BYTES + TAG_BYTES &&
    MAGIC.compare(block, 0, MAGIC.length, 0, MAGIC.length) === 0
  );
}

/** How long the whole block is, by what its prologue says; null when these are not the first bytes of one. */
export function statedBlockLength(prologue: Uint8Array): number | null {
  if (prologue.length < PROLOGUE_BYTES) return null;
  if (MAGIC.compare(prologue, 0, MAGIC.length, 0, MAGIC.length) !== 0) return null;
  const length = viewOf(prologue).getUint32(28);
  return length >= PROLOGUE_BYTES + TAG_BYTES ? length : null;
}

/** A header or trailer block around a message: as short as its content, or `padTo` bytes where a drive needs that. */
export function sealMessageBlock(
  message: Uint8Array,
  prologue: Pick<Prologue, 'segment' | 'type' | 'fragment'>,
  padTo = 0,
): { block: Uint8Array } & SealedCrc {
  const needed = PROLOGUE_BYTES + message.length + TAG_BYTES;
  if (padTo > 0 && needed > padTo) {
    throw new StatusError(
      'invalidParameter',
      `a ${prologue.type} of ${needed} bytes exceeds a record`,
    );
  }
  const block = Buffer.alloc(padTo || Math.ceil(needed / 1024) * 1024);
  block.set(message, PAYLOAD_OFFSET);
  const crcs = sealClearBlock(block, {
    ...prologue,
    stream: 0,
    payloadLength: message.length,
    index: 0,
    streamOffset: 0n,
    encrypted: false,
  });
  return { block, ...crcs };
}

function typeOf(value: number): BlockType | undefined {
  return (Object.keys(BLOCK_TYPE) as BlockType[]).find((name) => BLOCK_TYPE[name] === value);
}

function viewOf(block: Uint8Array): DataView {
  return new DataView(block.buffer, block.byteOffset, block.byteLength);
}
