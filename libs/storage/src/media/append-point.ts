// Finds the end of the last closed fragment of a volume and proves that it is the one on record, before anything behind
// it is overwritten. Writes nothing.

import { StatusError } from '@tapestry/status';
import type { Drive } from '../drive.ts';
import { isBlock, openBlock } from '../format/block.ts';
import { decodeFragmentTrailer, type FragmentTrailer } from '../format/media-messages.ts';
import { checkVolumeLabel } from './label-io.ts';

/** What is on record about a volume (EMM's append point). */
export interface ExpectedAppendPoint {
  readonly mediaId: string;
  readonly assignedMs: bigint;
  /** Tape file that the next fragment becomes; 1 on a volume that has only its label. */
  readonly fileNumber: number;
  /** Object number at which it begins; null where it is not known: then the trailer is found by its filemark. */
  readonly object: number | null;
  /** Digest in the last closed fragment's trailer; empty when there is none. */
  readonly digest: Uint8Array;
}

export interface AppendPoint {
  /** Null on a volume that has only its label. */
  readonly lastTrailer: FragmentTrailer | null;
  /** There is something behind the append point: a fragment that was not closed. Writing overwrites it. */
  readonly unclosedTail: boolean;
}

/** As long as a trailer gets: a multiplexed one has an index. */
const TRAILER_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Leaves the tape at the append point. Throws `wrongTape` or `cannotReadMediaHeader` for the label, and
 * `mediaPositionError` when what lies before the append point is not what the record says, `mediaReadError` when it is
 * damaged: then the volume must not be written.
 */
export async function verifyAppendPoint(
  drive: Drive,
  expected: ExpectedAppendPoint,
): Promise<AppendPoint> {
  await checkVolumeLabel(drive, expected);
  const { fileNumber } = expected;
  if (fileNumber < 1) throw mismatch(expected, 'a labelled volume begins at file 1');
  await drive.locate({ file: fileNumber, block: 0 });
  const lastTrailer = fileNumber === 1 ? null : await readTrailerBefore(drive, expected);
  const { object, file, block } = await drive.position();
  if (file !== fileNumber || block !== 0)
    throw mismatch(expected, `the tape stands at file ${file}`);
  if (expected.object !== null && object !== null && object !== expected.object) {
    throw mismatch(expected, `the file begins at object ${object}, not ${expected.object}`);
  }
  const unclosedTail = await isFollowed(drive);
  await drive.locate({ file: fileNumber, block: 0 });
  return { lastTrailer, unclosedTail };
}

/** Reads the block before the filemark before the position, and the filemark. */
async function readTrailerBefore(
  drive: Drive,
  expected: ExpectedAppendPoint,
): Promise<FragmentTrailer> {
  await drive.spaceFilemarks(-1);
  const { spaced } = await drive.spaceBlocks(-1);
  if (spaced !== 1) throw mismatch(expected, 'there is no trailer before the filemark');
  const into = Buffer.alloc(TRAILER_BUFFER_BYTES);
  const result = await drive.readBlock(into);
  if (result.kind !== 'block')
    throw mismatch(expected, `a ${result.kind} is where the trailer should be`);
  const block = into.subarray(0, result.lengthBytes);
  if (!isBlock(block)) throw mismatch(expected, 'something else is where the trailer should be');
  const opened = openBlock(block, result.crc32);
  if (opened.type !== 'trailer') throw mismatch(expected, `a ${opened.type} block ends the file`);
  const trailer = decodeFragmentTrailer(opened.payload);
  if (trailer.mediaId !== expected.mediaId) {
    throw mismatch(expected, `the trailer names volume ${trailer.mediaId}`);
  }
  if (Buffer.compare(trailer.digest, expected.digest) !== 0) {
    throw mismatch(expected, 'the digest in the trailer is not the one on record');
  }
  if ((await drive.readBlock(into)).kind !== 'filemark') {
    throw mismatch(expected, 'no filemark follows the trailer');
  }
  return trailer;
}

async function isFollowed(drive: Drive): Promise<boolean> {
  try {
    return (await drive.readBlock(Buffer.alloc(65_536))).kind !== 'endOfData';
  } catch (error) {
    // A tail that cannot be read is a tail all the same.
    if (error instanceof StatusError && error.status === 'mediaReadError') return true;
    throw error;
  }
}

function mismatch(expected: ExpectedAppendPoint, why: string): StatusError {
  const { mediaId, fileNumber } = expected;
  return new StatusError('mediaPositionError', `${mediaId} file ${fileNumber}: ${why}`);
}
