// The blocks of a small fragment, for suites whose storage takes nothing else.

import type { ImageCopy } from '../disk.ts';
import type { WriteBlock } from '../drive.ts';
import { payloadCapacity } from '../format/block.ts';
import { FragmentWriter } from '../format/fragment-writer.ts';

export const SAMPLE_BLOCK_BYTES = 4096;

/** Header, `dataBlocks` data blocks whose payload tells their number, and the trailer. */
export function sampleFragment(image: ImageCopy, fragment: number, dataBlocks: number): Buffer[] {
  const writer = new FragmentWriter({
    segment: Buffer.alloc(16, fragment),
    layout: 'blocks',
    mediaId: 'DISK01',
    mediaAssignedMs: 0n,
    fileNumber: fragment,
    blockSizeBytes: SAMPLE_BLOCK_BYTES,
    writtenMs: 1_700_000_000_000n,
    mediaServer: 'media1',
    software: 'conformance',
    streams: [
      {
        stream: 0,
        image: { ...SAMPLE_IMAGE, backupId: image.backupId },
        copy: image.copy,
        fragment,
        streamBeginBytes: 0n,
        previousSegment: new Uint8Array(0),
        encryption: null,
      },
    ],
  });
  const header = writer.headerBlock().block;
  const payloadLength = payloadCapacity(SAMPLE_BLOCK_BYTES);
  const data = Array.from({ length: dataBlocks }, (_, i) => {
    const block = Buffer.alloc(SAMPLE_BLOCK_BYTES, i + 1);
    const final = i === dataBlocks - 1;
    writer.seal(block, { payloadLength, final });
    return block;
  });
  const { block } = writer.trailerBlock({ endReason: 'streamEnd', closedMs: 1_700_000_001_000n });
  return [header, ...data, block].map((each) => Buffer.from(each));
}

export function asWrites(blocks: readonly Uint8Array[]): WriteBlock[] {
  // In two parts, as an encrypted block comes.
  return blocks.map((block) => ({ parts: [block.subarray(0, 64), block.subarray(64)] }));
}

const SAMPLE_IMAGE = {
  client: 'filer1',
  policy: 'filers',
  policyType: 'NDMP',
  schedule: 'full',
  scheduleType: 0,
  jobId: 1n,
  backupTimeMs: 1_700_000_000_000n,
  expiresMs: 1_800_000_000_000n,
  retentionLevel: 1,
  level: 0,
  streamNumber: 1,
  backupPath: '/vol/home',
  backupType: 'dump',
  ndmpHost: 'filer1',
  env: [],
  baseBackupId: '',
  keywords: [],
};
