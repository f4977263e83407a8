// Requests and candidates for the tests of the core, with everything that a case does not name filled in.

import type { Candidate, ResourceRequest } from '@tapestry/contracts';
import type { Offer, Waiting } from './grant.ts';

export function waiting(jobId: number, more: Partial<ResourceRequest> = {}): Waiting {
  return {
    key: `${jobId}/1/0`,
    request: {
      attempt: { jobId: BigInt(jobId), try: 1, step: 0 },
      ...{ priority: 0, mode: 'DRIVE_MODE_WRITE', storageUnit: 'unit1', pool: '' },
      ...{ retentionLevel: 0, mediaId: '', counters: [], client: 'c', policy: 'p' },
      ...{ requestedMs: BigInt(jobId), avoidMediaIds: [], ...more },
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

export function candidate(drive: string, mediaId: string, maxDrives = 9): Candidate {
  return {
    ...{ storageUnit: 'unit1', mediaServer: 'media1', maxDrives, mounted: false },
    drive: {
      ...{ name: drive, index: 0, density: 'hcart', mediaServer: 'media1', path: 'x' },
      ...{ robotNumber: 0, robotDrive: 1, ndmpHost: '' },
    },
    volume: {
      ...{ mediaId, barcode: mediaId, density: 'hcart', robotNumber: 0, slot: 1, pool: '' },
      ...{ assignedMs: 1n, retentionLevel: 0, append: null },
    },
    ...{ volumeVersion: 1n, needsAssign: false, maxFragmentBytes: 0n, blockSizeBytes: 0 },
  };
}

/** Every volume in every drive, volumes first. */
export function offer(drives: string[], volumes: string[], maxDrives = 9): Offer {
  const candidates = volumes.flatMap((volume) =>
    drives.map((drive) => candidate(drive, volume, maxDrives)),
  );
  return { candidates, reasons: [], refusal: null };
}
