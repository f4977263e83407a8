// Requests and offers for the tests of the core, with everything that a case does not name filled in.

import type { DriveSpec, MdsOption, MdsVolume, ResourceRequest } from '@tapestry/contracts';
import type { Offer } from './choice.ts';
import { needsOf, type Waiting } from './need.ts';

export function waiting(jobId: number, more: Partial<ResourceRequest> = {}): Waiting {
  return {
    key: `${jobId}/1/0`,
    request: {
      attempt: { jobId: BigInt(jobId), try: 1, step: 0 },
      ...{ priority: 0, mode: 'DRIVE_MODE_WRITE', storageUnit: 'unit1', pool: '' },
      ...{ retentionLevel: 0, mediaId: '', counters: [], client: 'c', policy: 'p' },
      ...{
        requestedMs: BigInt(jobId),
        avoidMediaIds: [],
        more: [],
        maxMpx: 0,
        ndmp: false,
        disk: false,
        label: null,
      },
      ...more,
    },
  };
}

export function reading(
  jobId: number,
  mediaId: string,
  more: Partial<ResourceRequest> = {},
): Waiting {
  return waiting(jobId, { mode: 'DRIVE_MODE_READ', storageUnit: '', mediaId, ...more });
}

/** A duplication: reads one volume while it writes another. */
export function copying(jobId: number, mediaId: string, pool = ''): Waiting {
  const write = {
    ...{ mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'unit1', pool, retentionLevel: 0 },
    ...{ mediaId: '', avoidMediaIds: [] },
  };
  return reading(jobId, mediaId, { more: [write] });
}

/** Key of the request's first need. */
export function keyOf({ request }: Waiting, part = 0): string {
  return needsOf(request)[part]!.key;
}

export function drive(name: string): DriveSpec {
  return {
    ...{ name, index: 0, density: 'hcart', mediaServer: 'media1', path: 'x' },
    ...{ robotNumber: 0, robotDrive: 1, ndmpHost: '', serial: '' },
  };
}

export function volume(mediaId: string, more: Partial<MdsVolume> = {}): MdsVolume {
  return {
    volume: {
      ...{ mediaId, barcode: mediaId, density: 'hcart', robotNumber: 0, slot: 1, pool: '' },
      ...{ assignedMs: 1n, retentionLevel: 0, append: null },
    },
    ...{ version: 1n, needsAssign: false, mountedDrive: '', ...more },
  };
}

export function option(
  drives: string[],
  volumes: string[],
  more: Partial<MdsOption> = {},
): MdsOption {
  return {
    ...{ storageUnit: 'unit1', mediaServer: 'media1', maxDrives: 9, maxMpx: 1, counters: [] },
    ...{ drives: drives.map(drive), volumes: volumes.map((each) => volume(each)) },
    ...{ maxFragmentBytes: 0n, blockSizeBytes: 0, diskPath: '' },
    ...{ diskHighWaterPercent: 0, diskLowWaterPercent: 0, ...more },
  };
}

export function offerOf(choices: MdsOption[], more: Partial<Offer> = {}): Offer {
  return { choices, reasons: [], refusal: null, selection: 'MDS_SELECTION_IN_ORDER', ...more };
}

/** Every volume in every drive. */
export function offer(drives: string[], volumes: string[], maxDrives = 9): Offer {
  return offerOf([option(drives, volumes, { maxDrives })]);
}
