// Reads and writes a volume's label through a drive. Decides nothing about what may be overwritten: callers do.

import { StatusError } from '@tapestry/status';
import type { Drive } from '../drive.ts';
import {
  decodeVolumeLabel,
  encodeVolumeLabel,
  type LabelFinding,
  type VolumeLabel,
} from '../format/volume-label.ts';

/** Longer than any label, and what an NDMP drive reads in one call. */
const LABEL_BUFFER_BYTES = 65_536;

/** Rewinds and reads the label; leaves the tape somewhere behind it. A damaged first block is an error (85). */
export async function readVolumeLabel(drive: Drive): Promise<LabelFinding> {
  await drive.rewind();
  const blocks: Uint8Array[] = [];
  while (blocks.length < 2) {
    const into = Buffer.alloc(LABEL_BUFFER_BYTES);
    const result = await drive.readBlock(into);
    if (result.kind === 'filemark' && blocks.length === 0) {
      return { kind: 'foreign', what: 'a filemark without a label' };
    }
    if (result.kind === 'filemark' || result.kind === 'endOfData') break;
    blocks.push(into.subarray(0, Math.min(result.lengthBytes, into.length)));
  }
  return decodeVolumeLabel(blocks);
}

/** Makes the volume empty but for this label; leaves the tape at file 1, where the first fragment goes. */
export async function writeVolumeLabel(
  drive: Drive,
  label: VolumeLabel,
  padToBytes = 0,
): Promise<void> {
  await drive.rewind();
  const blocks = encodeVolumeLabel(label).map((record) => {
    const padding = Buffer.alloc(Math.max(0, padToBytes - record.length), ' ');
    return { parts: padding.length > 0 ? [record, padding] : [record] };
  });
  const { written } = await drive.writeBlocks(blocks);
  const marks = await drive.writeFilemarks(1, 'sync');
  if (written < blocks.length || marks.written < 1) {
    throw new StatusError('mediaWriteError', `no room for a label on ${label.mediaId}`);
  }
}

/** Throws `wrongTape` unless the volume carries this label, `cannotReadMediaHeader` when it has none of ours. */
export async function checkVolumeLabel(
  drive: Drive,
  expected: Pick<VolumeLabel, 'mediaId' | 'assignedMs'>,
): Promise<VolumeLabel> {
  const finding = await readVolumeLabel(drive);
  if (finding.kind !== 'ours') {
    const what = finding.kind === 'blank' ? 'the tape is blank' : finding.what;
    throw new StatusError('cannotReadMediaHeader', `expected ${expected.mediaId}: ${what}`);
  }
  const { label } = finding;
  if (label.mediaId !== expected.mediaId) {
    throw new StatusError('wrongTape', `the label says ${label.mediaId}, not ${expected.mediaId}`);
  }
  if (label.assignedMs !== expected.assignedMs) {
    const detail = `${label.mediaId} was assigned at ${label.assignedMs}, not ${expected.assignedMs}`;
    throw new StatusError('wrongTape', detail);
  }
  return label;
}
