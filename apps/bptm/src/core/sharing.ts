// Streams that share a drive: under whose grant it is mounted, what each may use of it, and where its next tape file
// begins.

import type { AppendPoint, Fragment, OpenStreamRequest } from '@tapestry/contracts';
import { type Lease, leaseOf } from '@tapestry/runtime/fence';
import type { WriteOrder } from '../drive-process/messages.ts';

/** The lease of the mount that a stream shares, its own when it begins; null: it has its drive alone. */
export function sharedMount({ grant }: OpenStreamRequest): Lease | null {
  const here = grant?.drive?.ndmpHost === '' && grant.diskPath === '';
  if (!here || grant.mode !== 'DRIVE_MODE_WRITE') return null;
  if (grant.mpxMount !== null) return leaseOf(grant.mpxMount);
  return grant.maxMpx > 1 ? leaseOf(grant) : null;
}

/** Header, trailer and filemark of a tape file, beside its data blocks. */
const OBJECTS_AROUND_DATA = 3n;

/** The later one of what was granted and what these fragments made of it. */
export function latestAppend(
  granted: AppendPoint | null,
  fragments: readonly Fragment[],
): AppendPoint | null {
  return fragments.reduce<AppendPoint | null>((latest, fragment) => {
    const { fileNumber, blockNumber, dataBlocks, digest, number } = fragment;
    if (latest !== null && latest.fileNumber > fileNumber) return latest;
    return {
      fileNumber: fileNumber + 1,
      blockNumber: blockNumber + dataBlocks + OBJECTS_AROUND_DATA,
      trailerDigest: digest,
      fragment: `fragment ${number}`,
    };
  }, granted);
}

/** What holds for all streams of a drive. */
export interface SharedFrame {
  readonly mount: Lease;
  /** The order of the stream that began: volume, unit and block size are those of all. */
  readonly first: Pick<WriteOrder, 'volume' | 'blockSizeBytes' | 'maxFragmentBytes'>;
  readonly append: AppendPoint | null;
  /** Memory for all rings together, and for how many streams. */
  readonly ringBytes: number;
  readonly streamsMax: number;
}

/** A stream's own order, with what is the drive's. */
export function memberOrder(order: WriteOrder, frame: SharedFrame): WriteOrder {
  const { mount, first, append, ringBytes, streamsMax } = frame;
  return {
    ...order,
    owner: { grantId: mount.grantId, epoch: mount.epoch },
    volume: { ...first.volume, append },
    ...{ blockSizeBytes: first.blockSizeBytes, maxFragmentBytes: first.maxFragmentBytes },
    ringBytes: Math.floor(ringBytes / Math.max(1, streamsMax)),
  };
}
