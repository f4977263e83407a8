import { codec, type Init, type JobRow } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { jobSchema } from '../schemas.ts';
import { integer, toApiCounts, toApiJob } from './job-form.ts';

const row = (fields: Init<JobRow>): JobRow =>
  codec('JobRow').decode(codec('JobRow').encode(fields));

test('a row becomes what the schema promises', () => {
  const job = toApiJob(row({ jobId: 3n, bytes: 2n ** 50n, state: 'JOB_STATE_ACTIVE', try: 2 }));
  expect(jobSchema.parse(job)).toEqual(job);
  expect(job).toMatchObject({ jobId: 3, bytes: 2 ** 50, outcome: 'active', startedMs: null });
});

test.each([
  ['JOB_STATE_DONE', 0, 'successful', 0],
  ['JOB_STATE_DONE', 1, 'partial', 1],
  ['JOB_STATE_DONE', 84, 'failed', 84],
  ['JOB_STATE_REQUEUED', 84, 'requeued', 84],
  ['JOB_STATE_QUEUED', 0, 'queued', null],
] as const)('%s with status %i is %s', (state, status, outcome, shown) => {
  expect(toApiJob(row({ jobId: 1n, state, status }))).toMatchObject({ outcome, status: shown });
});

test('a number that does not fit is refused, not rounded', () => {
  expect(() => integer(2n ** 53n)).toThrow(/does not fit/);
});

test('counts are understood by bpjobd’s keys and by the labels of bpdbjobs', () => {
  const keys = { queued: 1n, active: 2n, requeued: 3n, done: 9n, successful: 4n, partial: 2n };
  const counts = toApiCounts({ ...keys, failed: 3n, suspended: 0n, incomplete: 0n, total: 15n });
  expect(counts).toMatchObject({ queued: 1, requeued: 3, successful: 4, partial: 2, failed: 3 });
  expect(counts.total).toBe(15);
  expect(toApiCounts({ 'Waiting-to-Retry': 2n, 'Partially Successful': 1n })).toMatchObject({
    ...{ requeued: 2, partial: 1, total: 3 },
  });
});
