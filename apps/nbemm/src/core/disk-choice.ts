// Whether a disk storage unit takes another job: its folder is below the high water mark, as its media server told lately.

import type { MdsOption, StorageUnit } from '@tapestry/contracts';

/** What a media server told of the folder of a disk storage unit. */
export interface DiskFact {
  readonly capacityBytes: bigint;
  readonly freeBytes: bigint;
  readonly atMs: number;
}

/** An older word says nothing. */
const DISK_FRESH_MS = 300_000;
const HIGH_WATER_MARK = 98;
const MIB = 1_048_576n;

/** Why nothing may be written there now, or undefined: there is room. */
export function diskFull(
  unit: StorageUnit,
  disk: DiskFact | undefined,
  nowMs: number,
): string | undefined {
  const where = `storage unit ${unit.label} (${unit.path})`;
  if (disk === undefined || nowMs - disk.atMs > DISK_FRESH_MS) {
    return `${where}: ${unit.mediaServer} has not told how full it is`;
  }
  const mark = unit.highWaterMark === 0 ? HIGH_WATER_MARK : unit.highWaterMark;
  const used = usedPercent(disk);
  return used < mark ? undefined : `${where} is ${used} % full, its high water mark is ${mark} %`;
}

function usedPercent({ capacityBytes, freeBytes }: DiskFact): number {
  if (capacityBytes <= 0n || freeBytes <= 0n) return 100;
  return Number(((capacityBytes - freeBytes) * 100n) / capacityBytes);
}

export function diskOption(unit: StorageUnit, blockSizeBytes: number): MdsOption {
  return {
    ...{ storageUnit: unit.label, mediaServer: unit.mediaServer, drives: [], volumes: [] },
    ...{ maxFragmentBytes: unit.maxFragmentMb * MIB, blockSizeBytes, maxDrives: unit.maxDrives },
    ...{ maxMpx: unit.maxMpx, counters: [], diskPath: unit.path },
    diskHighWaterPercent: unit.highWaterMark,
    diskLowWaterPercent: unit.lowWaterMark,
  };
}
