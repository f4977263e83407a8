// A night's jobs for the page to show: every state, long names, and enough of them to scroll.

import type { Init, JobRow } from '@tapestry/contracts';

export type SceneJob = Init<JobRow> & { jobId: bigint };

const MINUTE_MS = 60_000;
const GB = 1_000_000_000;

const POLICIES = ['nightly-home', 'nightly-projects', 'weekly-archive', 'vm-images'] as const;
const CLIENTS = ['nas-fra-01', 'nas-fra-02', 'filer-zurich.example.org', 'nas-lab'] as const;
const FAILURES = [
  [84, 'writing to the media failed'],
  [99, 'the NDMP backup failed'],
  [150, 'ended at the request of an administrator'],
] as const;

/** Jobs that are over: job n ended n minutes before the newest. */
export function pastJobs(count: number, nowMs: number, firstId = 1): SceneJob[] {
  return Array.from({ length: count }, (_, i): SceneJob => {
    const jobId = firstId + i;
    const endedMs = nowMs - (count - i) * 7 * MINUTE_MS;
    const failure = i % 17 === 5 ? FAILURES[i % 3]! : null;
    const status = failure?.[0] ?? (i % 23 === 7 ? 1 : 0);
    const bytes = failure === null ? 40 * GB + ((i * 7_919) % 900) * GB : 3 * GB;
    return {
      ...base(jobId, i),
      state: 'JOB_STATE_DONE',
      status,
      statusText: failure?.[1] ?? (status === 1 ? 'partially successful' : 'successful'),
      submittedMs: BigInt(endedMs - 50 * MINUTE_MS),
      startedMs: BigInt(endedMs - 48 * MINUTE_MS),
      endedMs: BigInt(endedMs),
      bytes: BigInt(bytes),
      files: BigInt(1_000 + i * 377),
      flowStep: failure === null ? 10 : 8,
      mediaServer: 'media1',
      storageUnit: 'media1-hcart-robot0',
      mediaId: `A0${String(i % 40).padStart(4, '0')}`,
      drive: `drive${i % 4}`,
    };
  });
}

function base(jobId: number, i: number): SceneJob {
  return {
    jobId: BigInt(jobId),
    type: i % 29 === 11 ? 'JOB_TYPE_RESTORE' : 'JOB_TYPE_BACKUP',
    policy: POLICIES[i % POLICIES.length]!,
    policyType: 'NDMP',
    schedule: i % 5 === 0 ? 'full' : 'incr',
    scheduleType: i % 5 === 0 ? 'SCHEDULE_TYPE_FULL' : 'SCHEDULE_TYPE_INCR',
    client: CLIENTS[i % CLIENTS.length]!,
    path:
      i % 13 === 4
        ? '/vol/projects/department-of-long-names/a-folder-whose-name-was-chosen-by-somebody-in-no-hurry'
        : `/vol/vol${i % 31}`,
    owner: 'root',
    steps: 1,
    step: 1,
    try: 1,
  };
}

/** Jobs that run or wait now, newest last. */
export function presentJobs(firstId: number, nowMs: number): SceneJob[] {
  const since = (minutes: number): bigint => BigInt(nowMs - minutes * MINUTE_MS);
  const running = {
    state: 'JOB_STATE_ACTIVE',
    mediaServer: 'media1',
    storageUnit: 'media1-hcart-robot0',
  } as const;
  return [
    {
      ...base(firstId, 2),
      ...running,
      ...{ operation: 'writing', flowStep: 8, mediaId: 'A00012', drive: 'drive0' },
      ...{ submittedMs: since(64), startedMs: since(63), files: 1_203_377n },
      ...{ bytes: BigInt(412 * GB), bytesExpected: BigInt(655 * GB) },
    },
    {
      ...base(firstId + 1, 4),
      ...running,
      ...{ operation: 'writing', flowStep: 8, mediaId: 'A00007', drive: 'drive1' },
      ...{ submittedMs: since(18), startedMs: since(17), files: 20_110n },
      ...{ bytes: BigInt(61 * GB), bytesExpected: 0n },
    },
    {
      ...base(firstId + 2, 5),
      ...running,
      ...{ operation: 'mounting', flowStep: 6, mediaId: 'A00031', drive: 'drive2' },
      ...{ submittedMs: since(3), startedMs: since(1) },
    },
    {
      ...base(firstId + 3, 7),
      ...{ state: 'JOB_STATE_REQUEUED', status: 84, statusText: 'writing to the media failed' },
      ...{ submittedMs: since(30), startedMs: since(29), flowStep: 8, try: 1 },
      retryAtMs: BigInt(nowMs + 8 * MINUTE_MS),
    },
    {
      ...base(firstId + 4, 1),
      ...{ state: 'JOB_STATE_QUEUED', flowStep: 3, submittedMs: since(12) },
      stateDetails: 'all drives of media1-hcart-robot0 are in use (drive0, drive1, drive2)',
    },
    {
      ...base(firstId + 5, 3),
      ...{ state: 'JOB_STATE_QUEUED', flowStep: 3, submittedMs: since(1) },
    },
  ] as SceneJob[];
}
