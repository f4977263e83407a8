// What the TapeAlert flags of a drive mean (T10 SSC): for the volume, for the drive, and whether it wants to be cleaned.

/** Flags that condemn the volume: media, read or write failure, a damaged cartridge or its memory. */
const MEDIUM = new Set([4, 5, 6, 14, 15, 52, 53, 59]);
/**
 * Flags of the drive itself: hardware, power. A load that failed (55) says nothing about whose fault it was: the third
 * such error judges, as it does of all others, else one bad cartridge would take every drive down.
 */
const DRIVE = new Set([30, 31, 38, 39]);
/** Clean now, clean periodically. */
const CLEAN = new Set([20, 21]);

export interface AlertVerdict {
  readonly condemnsMedium: boolean;
  readonly downsDrive: boolean;
  readonly wantsCleaning: boolean;
  readonly text: string;
}

export function judgeAlerts(flags: readonly number[]): AlertVerdict {
  return {
    condemnsMedium: flags.some((flag) => MEDIUM.has(flag)),
    downsDrive: flags.some((flag) => DRIVE.has(flag)),
    wantsCleaning: flags.some((flag) => CLEAN.has(flag)),
    text: `TapeAlert ${flags.join(', ')}`,
  };
}
