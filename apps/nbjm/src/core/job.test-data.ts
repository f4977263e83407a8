// Jobs, grants and results for tests: complete messages with plain names.

import {
  type Attempt,
  codec,
  type Grant,
  type Init,
  type JobSpec,
  type RunResult,
  type Status,
} from '@tapestry/contracts';
import { StatusError, type StatusName, toWire } from '@tapestry/status';

export const NOW_MS = 1_790_000_000_000;
export const FACTS = { nowMs: NOW_MS, stopDeadlineMs: 60_000 };

/** A whole message from some of its fields. */
function whole<N extends Parameters<typeof codec>[0]>(name: N, fields: object) {
  const type = codec(name);
  return type.decode(type.encode(fields as never));
}

export function backupSpec(fields: Init<JobSpec> = {}): JobSpec {
  return whole('JobSpec', {
    type: 'JOB_TYPE_BACKUP',
    policy: 'nas',
    policyType: 'NDMP',
    schedule: 'full',
    client: 'filer1',
    owner: 'root',
    backup: { path: '/vol/home', pool: 'NetBackup', retentionLevel: 1 },
    ...fields,
  });
}

export function restoreSpec(steps: number): JobSpec {
  return whole('JobSpec', {
    type: 'JOB_TYPE_RESTORE',
    client: 'filer1',
    restore: {
      destClient: 'filer2',
      steps: Array.from({ length: steps }, (_, i) => ({
        backupId: `filer1_170000000${i}`,
        path: '/vol/home',
        fragments: [{ number: 1, mediaId: `A0000${i}` }],
        entries: [{ originalPath: Buffer.from('/vol/home/a') }],
        expectedBytes: 100n,
      })),
    },
  });
}

export function grantFor(attempt: Attempt, grantId: string, epoch = 1n): Grant {
  return whole('Grant', {
    grantId,
    attempt,
    epoch,
    mediaServer: 'media1',
    storageUnit: 'stu1',
    drive: { name: 'drive1' },
    volume: { mediaId: 'A00001' },
  });
}

export function status(name: StatusName, detail = 'planted'): Status {
  return toWire(new StatusError(name, detail));
}

export const OK: Status = status('ok', '');

export function runResult(fields: Init<RunResult>): RunResult {
  return whole('RunResult', fields);
}

export const GOOD_RUN: RunResult = runResult({
  status: OK,
  image: { backupId: 'filer1_1790000000', bytes: 1_000n, files: 3n, fragments: [{ number: 1 }] },
});

export const IMAGE = whole('ImagePlan', { backupId: 'filer1_1790000000', butype: 'tar' });
