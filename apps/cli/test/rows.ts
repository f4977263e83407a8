// Rows as daemons answer them, for tests to change.

import type { ImageRow, JobRow, Policy, VolumeRow } from '@tapestry/contracts';

export const START_S = 1_763_794_800n;

export function jobRow(change: Partial<JobRow> = {}): JobRow {
  return {
    ...{ jobId: 7n, type: 'JOB_TYPE_BACKUP', state: 'JOB_STATE_ACTIVE', status: 0, statusText: '' },
    ...{ policy: 'filers', schedule: 'full', scheduleType: 'SCHEDULE_TYPE_FULL' },
    ...{ client: 'filer1', mediaServer: 'media1', storageUnit: 'unit1' },
    ...{ submittedMs: START_S * 1000n, startedMs: START_S * 1000n, endedMs: 0n, try: 1, step: 0 },
    ...{ steps: 1, operation: 'writing', bytes: 2_048_000n, files: 12n, bytesExpected: 0n },
    ...{ path: '/vol/home', owner: 'operator', subtype: 0, priority: 0, backupId: 'filer1_1' },
    ...{ stateDetails: '', mediaId: 'TAP001', drive: 'drive0', version: 3n, retryAtMs: 0n },
    ...{ flowStep: 6, destClient: '', policyType: 'NDMP', retentionLevel: 1, cancelling: false },
    ...change,
  } as JobRow;
}

export function policyRow(change: Partial<Policy> = {}): Policy {
  return {
    ...{ name: 'filers', type: 'NDMP', active: true, residence: 'unit1', pool: 'NetBackup' },
    ...{ priority: 0, maxJobs: 0, keyword: '', clients: ['filer1'], includes: ['/vol/home'] },
    schedules: [
      {
        ...{ name: 'full', type: 'SCHEDULE_TYPE_FULL', frequencyS: 604_800, retentionLevel: 1 },
        windows: Array.from({ length: 7 }, (_, day) =>
          day === 6 ? { startS: 79_200, durationS: 21_600 } : { startS: 0, durationS: 0 },
        ),
        ...{ residence: '', pool: '', multiplexing: 1 },
      },
    ],
    ...{ generation: 4n, effectiveMs: 0n },
    ...change,
  } as Policy;
}

export function volumeRow(change: Partial<VolumeRow> = {}): VolumeRow {
  return {
    volume: {
      ...{ mediaId: 'TAP001', barcode: 'TAP001', density: 'hcart', robotNumber: 0, slot: 3 },
      ...{ pool: 'NetBackup', assignedMs: START_S * 1000n, retentionLevel: 1, append: null },
    },
    ...{ mediaType: 'HCART', statusBits: 8, mounts: 4, maxMounts: 0, createdMs: START_S * 1000n },
    ...{ firstMountMs: 0n, lastMountMs: START_S * 1000n, lastWrittenMs: 0n, writtenBytes: 4096n },
    ...{ images: 2, dataExpirationS: 0n, description: 'Added by hand', robotType: 'tld' },
    ...{ owner: 'media1', errors: 0, volumeGroup: '000_00000_TLD', expirationMs: 0n },
    ...{ cleanings: 0, previousPool: '', offsite: null, mountedDrive: '', version: 1n },
    ...{ robotHost: 'media1', state: 'active', validImages: 1 },
    ...change,
  };
}

export function imageRow(change: Partial<ImageRow> = {}): ImageRow {
  return {
    ...{ backupId: 'filer1_1763794800', client: 'filer1', policy: 'filers', policyType: 'NDMP' },
    ...{ schedule: 'full', scheduleType: 'SCHEDULE_TYPE_FULL', retentionLevel: 1 },
    ...{ backupTimeS: START_S, elapsedS: 61n, expirationS: START_S + 1_209_600n },
    ...{ bytes: 10_485_760n, files: 42n, path: '/vol/home', level: 0, baseBackupId: '' },
    ...{ state: 'valid', attempt: { jobId: 7n, try: 1, step: 0 } },
    fragments: [
      {
        ...{ copy: 1, number: 1, mediaId: 'TAP001', mediaServer: 'media1', density: 'hcart' },
        ...{ fileNumber: 2, blockNumber: 5n, blockSizeBytes: 262_144, dataBlocks: 41n },
        ...{ streamBeginBytes: 0n, streamEndBytes: 10_485_760n, digest: Buffer.from('ab', 'hex') },
        ...{ mediaAssignedMs: START_S * 1000n, driveIndex: 0, keyTag: Buffer.alloc(0) },
        writtenMs: START_S * 1000n,
      },
    ],
    env: [{ name: 'LEVEL', value: '0' }],
    ...{ butype: 'dump', fileList: null, creator: 'operator', keyword: '', storageUnit: 'unit1' },
    ...change,
  } as ImageRow;
}
