// Headers and streams for the tests of the media format.

import { randomBytes } from 'node:crypto';
import {
  type Drive,
  type FragmentHeader,
  FragmentWriter,
  type ImageRecord,
  PAYLOAD_OFFSET,
  payloadCapacity,
  type StreamRecord,
} from '../src/index.ts';

export const BEYOND_DOUBLE = 2n ** 53n + 1n;

export const SAMPLE_IMAGE: ImageRecord = {
  backupId: 'filer1_1767225600',
  client: 'filer1',
  policy: 'nas-daily',
  policyType: 'NDMP',
  schedule: 'full',
  scheduleType: 0,
  jobId: BEYOND_DOUBLE,
  backupTimeMs: 1_767_225_600_000n,
  expiresMs: BEYOND_DOUBLE,
  retentionLevel: 1,
  level: 0,
  streamNumber: 1,
  backupPath: '/vol/home',
  backupType: 'tar',
  ndmpHost: 'filer1.example',
  env: [
    { name: 'FILESYSTEM', value: '/vol/home' },
    { name: 'HIST', value: 'F' },
  ],
  baseBackupId: '',
  keywords: ['nightly'],
};

export function sampleStream(over: Partial<StreamRecord> = {}): StreamRecord {
  return {
    stream: 0,
    image: SAMPLE_IMAGE,
    copy: 1,
    fragment: 1,
    streamBeginBytes: 0n,
    previousSegment: new Uint8Array(),
    encryption: null,
    ...over,
  };
}

export function sampleHeader(over: Partial<FragmentHeader> = {}): FragmentHeader {
  return {
    segment: randomBytes(16),
    layout: 'blocks',
    mediaId: 'A00001',
    mediaAssignedMs: 1_767_225_600_000n,
    fileNumber: 1,
    blockSizeBytes: 1024,
    writtenMs: BEYOND_DOUBLE,
    mediaServer: 'media1',
    software: 'tapestry test',
    streams: [sampleStream()],
    ...over,
  };
}

/** Writes a whole fragment at the position, synced; answers its trailer. */
export async function writeFragment(drive: Drive, header: FragmentHeader, stream: Uint8Array) {
  const writer = new FragmentWriter(header);
  const capacity = payloadCapacity(header.blockSizeBytes);
  const { block, wholeCrc } = writer.headerBlock();
  await drive.writeBlocks([{ parts: [block], crc32: wholeCrc }]);
  let at = 0;
  let final = false;
  while (!final) {
    const buffer = Buffer.alloc(header.blockSizeBytes, 0xee);
    const payloadLength = Math.min(capacity, stream.length - at);
    buffer.set(stream.subarray(at, at + payloadLength), PAYLOAD_OFFSET);
    at += payloadLength;
    final = at === stream.length;
    const sealed = writer.seal(buffer, { payloadLength, final });
    await drive.writeBlocks([{ parts: sealed.parts, crc32: sealed.wholeCrc }]);
  }
  const end = writer.trailerBlock({ endReason: 'streamEnd', closedMs: 1n });
  await drive.writeBlocks([{ parts: [end.block], crc32: end.wholeCrc }]);
  await drive.writeFilemarks(1, 'sync');
  return end.trailer;
}
