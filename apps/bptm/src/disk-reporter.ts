// Tells nbemm how full this host's disk storage units are, so that MDS offers those with room. A unit whose folder cannot
// be read is left out, and is not offered for long.

import type { Client } from '@tapestry/bus';
import type { Init, ReportDisksRequest, StorageUnit } from '@tapestry/contracts';
import type { Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import { openFileDisk } from '@tapestry/storage';

type Space = NonNullable<Init<ReportDisksRequest>['disks']>[number];

export interface ReporterParts {
  readonly nbemm: Client<'nbemm'>;
  readonly host: string;
  readonly log: Logger;
  readonly everyMs: number;
}

/** Begins at once and goes on until `stop`; a report that fails is made up for by the next. */
export function startDiskReports(parts: ReporterParts): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const next = async (): Promise<void> => {
    try {
      await report(parts);
    } catch (error) {
      parts.log.debug({ err: asStatusError(error) }, 'the disk storage units were not reported');
    }
    if (!stopped) timer = setTimeout(() => void next(), parts.everyMs);
  };
  void next();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function report({ nbemm, host, log }: ReporterParts): Promise<void> {
  const { units } = await nbemm.ListStorageUnits({});
  const own = units.filter(({ type, mediaServer }) => type === 'Disk' && mediaServer === host);
  if (own.length === 0) return;
  const disks = (await Promise.all(own.map((unit) => spaceOf(unit, log)))).flat();
  if (disks.length > 0) await nbemm.ReportDisks({ disks });
}

async function spaceOf({ label, path }: StorageUnit, log: Logger): Promise<Space[]> {
  try {
    const disk = await openFileDisk({ dir: path });
    try {
      const { totalBytes, freeBytes } = await disk.space();
      const [capacityBytes, free] = [BigInt(totalBytes), BigInt(freeBytes)];
      return [{ storageUnit: label, capacityBytes, freeBytes: free }];
    } finally {
      await disk.close();
    }
  } catch (error) {
    log.warn({ err: asStatusError(error), unit: label }, 'a disk storage unit cannot be used');
    return [];
  }
}
