// May this medium be written, and does it need a label first? What stands on a medium that is not ours is never lost.

import type { VolumeSpec } from '@tapestry/contracts';
import type { Failure } from '../drive-process/messages.ts';

/** As `readVolumeLabel` finds it. */
export type Found =
  | {
      readonly kind: 'ours';
      readonly label: { readonly mediaId: string; readonly assignedMs: bigint };
    }
  | { readonly kind: 'blank' }
  | { readonly kind: 'foreign'; readonly what: string };

export type LabelDecision =
  /** The label is right and what follows it is to be checked. */
  | { readonly do: 'append' }
  /** Nothing that counts is on the medium: it gets a label and begins at file 1. */
  | { readonly do: 'label' }
  | { readonly do: 'refuse'; readonly failure: Failure; readonly wrongLabel: boolean };

/** `fileNumber` 0 of the append point says that EMM knows no label and no fragment on this volume. */
export function decideLabel(volume: VolumeSpec, found: Found): LabelDecision {
  const { mediaId, assignedMs } = volume;
  const isEmpty = (volume.append?.fileNumber ?? 0) === 0;
  switch (found.kind) {
    case 'foreign':
      return refuse(
        'cannotOverwriteMedia',
        `${mediaId} holds ${found.what}: it is not overwritten`,
      );
    case 'blank':
      if (isEmpty) return { do: 'label' };
      return refuse('cannotReadMediaHeader', `${mediaId} is blank, but data is on record for it`);
    case 'ours': {
      const { label } = found;
      if (label.mediaId !== mediaId) {
        return refuse('wrongTape', `the label says ${label.mediaId}, mounted was ${mediaId}`);
      }
      // Recycled: the label of its last life is replaced with the next.
      if (isEmpty) return { do: 'label' };
      if (label.assignedMs === assignedMs) return { do: 'append' };
      return refuse(
        'wrongTape',
        `${mediaId} carries the label of another assignment (${label.assignedMs}, not ${assignedMs})`,
      );
    }
  }
}

export interface Relabelling {
  readonly volume: Pick<VolumeSpec, 'mediaId'>;
  readonly overwrite: boolean;
  /** Volumes that hold unexpired images. */
  readonly kept: readonly string[];
}

/** Why a tape may not be labelled by command; null when it may. EMM knows no image on the volume itself. */
export function mayRelabel(
  { volume: { mediaId }, overwrite, kept }: Relabelling,
  found: Found,
): Failure | null {
  if (found.kind === 'blank') return null;
  if (found.kind === 'foreign') {
    if (overwrite) return null;
    const detail = `the tape holds ${found.what}: -o overwrites it`;
    return { status: 'cannotOverwriteMedia', detail };
  }
  const other = found.label.mediaId;
  if (kept.includes(other)) {
    const detail = `the tape carries the label ${other}, a volume with unexpired images`;
    return { status: 'cannotOverwriteMedia', detail };
  }
  if (other === mediaId || overwrite) return null;
  const detail = `the tape carries the label ${other}, not ${mediaId}: -o overwrites it`;
  return { status: 'wrongTape', detail };
}

function refuse(status: Failure['status'], detail: string): LabelDecision {
  return { do: 'refuse', failure: { status, detail }, wrongLabel: true };
}
