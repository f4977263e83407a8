// A job for tests, with what matters to the test put in.

import type { Job } from './api.ts';

export function sampleJob(fields: Partial<Job> & { readonly jobId: number }): Job {
  return {
    ...{ type: 'backup', state: 'queued', outcome: 'queued', status: null, statusText: '' },
    ...{ policy: 'nightly', policyType: 'NDMP', schedule: 'full', scheduleType: 'full' },
    ...{ client: 'nas1', destClient: '', path: '/vol/home', owner: 'root', priority: 0 },
    ...{ mediaServer: '', storageUnit: '', mediaId: '', drive: '', backupId: '' },
    ...{ submittedMs: 1_000, startedMs: null, endedMs: null, retryAtMs: null },
    ...{ try: 1, step: 1, steps: 1, flowStep: 3, operation: '' },
    ...{ bytes: 0, bytesExpected: 0, files: 0, reason: '', cancelling: false },
    ...fields,
  } as Job;
}
