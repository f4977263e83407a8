// The header and trailer around records that another host's mover writes (layout `mover`): three tape files, no
// checksums on the data. Pure.

import { createHash } from 'node:crypto';
import { StatusError } from '@tapestry/status';
import { type SealedCrc, sealMessageBlock } from './block.ts';
import {
  type EndReason,
  type EnvVar,
  encodeFragmentHeader,
  encodeFragmentTrailer,
  type FragmentHeader,
  type FragmentTrailer,
} from './media-messages.ts';

export interface MoverTrailerOptions {
  readonly endReason: EndReason;
  readonly closedMs: bigint;
  /** Records that the mover counted in this fragment. */
  readonly records: bigint;
  readonly streamEndBytes: bigint;
  readonly env?: readonly EnvVar[];
}

export interface MoverFragment {
  readonly headerBlock: Uint8Array;
  trailerBlock(options: MoverTrailerOptions): SealedCrc & {
    readonly block: Uint8Array;
    readonly trailer: FragmentTrailer;
  };
}

/** `padToBytes`: the record size, where the tape host takes no other; 0 where blocks may have any size. */
export function moverFragment(header: FragmentHeader, padToBytes: number): MoverFragment {
  const [record, ...more] = header.streams;
  if (!record || more.length > 0 || record.stream !== 0 || header.layout !== 'mover') {
    throw new StatusError('invalidParameter', 'a mover writes one stream, numbered 0');
  }
  const { segment, mediaId, fileNumber } = header;
  const { fragment } = record;
  const message = encodeFragmentHeader(header);
  const sealed = sealMessageBlock(message, { segment, type: 'header', fragment }, padToBytes);
  const crcBytes = Buffer.alloc(4);
  crcBytes.writeUInt32BE(sealed.crc);
  const digest = createHash('sha256').update(crcBytes).digest();

  const trailerBlock = (options: MoverTrailerOptions) => {
    const { endReason, closedMs, records, streamEndBytes, env = [] } = options;
    const trailer: FragmentTrailer = {
      segment,
      mediaId,
      fileNumber,
      endReason,
      dataBlocks: records,
      digest,
      closedMs,
      streams: [{ stream: 0, dataBlocks: records, streamEndBytes, index: null, env, endReason }],
    };
    const encoded = encodeFragmentTrailer(trailer);
    const block = sealMessageBlock(encoded, { segment, type: 'trailer', fragment }, padToBytes);
    return { trailer, ...block };
  };
  return { headerBlock: sealed.block, trailerBlock };
}
