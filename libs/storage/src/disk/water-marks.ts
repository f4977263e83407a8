// When a disk storage unit counts as full, and down to where it is emptied. Pure.

import { StatusError } from '@tapestry/status';
import type { DiskSpace } from '../disk.ts';

export interface WaterMarks {
  /** Used percent from which on no new backup begins. Default 98. */
  readonly highWaterPercent?: number;
  /** Used percent down to which expired images are deleted once the high-water mark was reached. Default 80. */
  readonly lowWaterPercent?: number;
}

/** Throws `invalidParameter` for marks that contradict each other. */
export function checkWaterMarks(marks: WaterMarks): Required<WaterMarks> {
  const { highWaterPercent = 98, lowWaterPercent = 80 } = marks;
  if (!(lowWaterPercent >= 0 && lowWaterPercent <= highWaterPercent && highWaterPercent <= 100)) {
    const given = `${lowWaterPercent} and ${highWaterPercent}`;
    throw new StatusError(
      'invalidParameter',
      `water marks are percents, low before high: ${given}`,
    );
  }
  return { highWaterPercent, lowWaterPercent };
}

export function diskSpace(
  room: { readonly totalBytes: number; readonly freeBytes: number },
  marks: Required<WaterMarks>,
): DiskSpace {
  const { totalBytes } = room;
  const freeBytes = Math.min(totalBytes, Math.max(0, room.freeBytes));
  const usedBytes = totalBytes - freeBytes;
  const high = (totalBytes * marks.highWaterPercent) / 100;
  const low = Math.floor((totalBytes * marks.lowWaterPercent) / 100);
  return {
    ...{ totalBytes, freeBytes, usedBytes },
    full: usedBytes >= high,
    bytesAboveLowWater: Math.max(0, usedBytes - low),
  };
}
