// Labels a medium, for its own sake: looks at what is there, empties it when that is asked for, writes the label and reads it
// back. Promises that what `mayRelabel` refuses is left as it is.

import { isDeepStrictEqual } from 'node:util';
import { StatusError } from '@tapestry/status';
import { type Drive, readVolumeLabel, writeVolumeLabel } from '@tapestry/storage';
import { type Found, mayRelabel } from '../core/label-decision.ts';
import { blaming } from './media-blame.ts';
import type { FromDrive, LabelOrder } from './messages.ts';
import { requireWritable, waitReady } from './volume-check.ts';

/** Errors: 83, 84, 85, 93, 168, 2037, 2047; 16 the drive cannot erase so. */
export async function labelMedium(
  drive: Drive,
  order: LabelOrder,
  report: (message: FromDrive) => void,
  padToBytes = 0,
): Promise<void> {
  const { volume, erase } = order;
  const { mediaId } = volume;
  const found = await blaming(report, async () => {
    await waitReady(drive, volume);
    await requireWritable(drive, volume);
    return look(drive, order);
  });
  // What somebody did not want overwritten is no fault of the tape.
  const failure = mayRelabel(order, found);
  if (failure !== null) throw new StatusError(failure.status, failure.detail);
  await blaming(report, () => write(drive, order, padToBytes));
  const detail =
    erase === 'no' ? `labelled ${mediaId}` : `erased (${erase}) and labelled ${mediaId}`;
  report({ type: 'mediaEvent', event: 'MEDIA_EVENT_LABELLED', detail });
  report({ type: 'labelled', over: overText(found), erased: erase !== 'no' });
}

async function write(
  drive: Drive,
  { volume: { mediaId, assignedMs, pool }, erase }: LabelOrder,
  padToBytes: number,
): Promise<void> {
  if (erase !== 'no') {
    await drive.rewind();
    await drive.erase(erase);
  }
  const label = { mediaId, assignedMs, pool };
  await writeVolumeLabel(drive, label, padToBytes);
  const written = await readVolumeLabel(drive);
  if (written.kind === 'ours' && isDeepStrictEqual(written.label, label)) return;
  throw new StatusError('mediaWriteError', `the new label of ${mediaId} does not read back`);
}

/** A label that cannot be read is as good as a foreign one, for who may overwrite anything. */
async function look(drive: Drive, { overwrite }: LabelOrder): Promise<Found> {
  try {
    return await readVolumeLabel(drive);
  } catch (error) {
    if (!overwrite || !(error instanceof StatusError) || error.status !== 'mediaReadError') {
      throw error;
    }
    return { kind: 'foreign', what: 'something that cannot be read' };
  }
}

function overText(found: Found): string {
  switch (found.kind) {
    case 'blank':
      return 'a blank tape';
    case 'ours':
      return `the label ${found.label.mediaId}`;
    case 'foreign':
      return found.what;
  }
}
