import { codec, type Init, type JobProgress, type JobRow } from '@tapestry/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concerns, merged, summarize, tryOf, withLastCounts } from './view.ts';

const row = (fields: Init<JobRow> = {}): JobRow =>
  codec('JobRow').decode(
    codec('JobRow').encode({
      ...{ jobId: 17n, state: 'JOB_STATE_ACTIVE', try: 1, flowStep: 6, operation: 'running' },
      ...fields,
    }),
  );
const progress = (fields: Init<JobProgress> = {}): JobProgress =>
  codec('JobProgress').decode(
    codec('JobProgress').encode({
      ...{ attempt: { jobId: 17n, try: 1, step: 0 }, operation: 'writing', bytes: 100n, files: 2n },
      ...fields,
    }),
  );

test('progress of the current run is shown on top of the row', () => {
  expect(merged(row(), progress({ bytesExpected: 900n }))).toMatchObject({
    ...{ bytes: 100n, files: 2n, operation: 'writing', flowStep: 8, bytesExpected: 900n },
  });
  const step = { attempt: { jobId: 17n, try: 1, step: 1 } };
  expect(merged(row({ step: 1, bytes: 50n }), progress(step))).toMatchObject({ bytes: 150n });
  const cancelling = row({ cancelling: true, operation: 'cancelling' });
  expect(merged(cancelling, progress())).toMatchObject({ operation: 'cancelling', bytes: 100n });
});

test.each<[string, Init<JobRow>]>([
  ['that ended well', { state: 'JOB_STATE_DONE', flowStep: 10 }],
  ['of another try', { try: 2 }],
  ['of another try that waits', { try: 2, state: 'JOB_STATE_QUEUED' }],
])('progress changes no job %s', (_name, fields) => {
  const job = row(fields);
  expect(concerns(job, progress())).toBe(false);
  expect(merged(job, progress())).toBe(job);
});

test.each<[string, Init<JobRow>]>([
  ['whose run is over', { flowStep: 9 }],
  ['that goes on with another step', { step: 1 }],
  ['that waits for its retry', { state: 'JOB_STATE_REQUEUED' }],
  ['that is done', { state: 'JOB_STATE_DONE' }],
])('progress does not say what a job does %s', (_name, fields) => {
  const job = row({ ...fields, operation: 'its own' });
  expect(concerns(job, progress())).toBe(false);
  expect(merged(job, progress()).operation).toBe('its own');
});

test('a try that failed keeps the counts that were seen last; a good one has its own', () => {
  const ended = { flowStep: 10, status: 84 } as const;
  for (const state of ['JOB_STATE_DONE', 'JOB_STATE_REQUEUED'] as const) {
    expect(withLastCounts(row({ ...ended, state }), progress())).toMatchObject({ bytes: 100n });
    const more = row({ ...ended, state, bytes: 500n });
    expect(withLastCounts(more, progress()).bytes).toBe(500n);
    const next = row({ ...ended, state, try: 2 });
    expect(withLastCounts(next, progress())).toBe(next);
  }
  const good = row({ ...ended, state: 'JOB_STATE_DONE', status: 0, bytes: 90n });
  expect(withLastCounts(good, progress())).toBe(good);
});

test('a try has a status once it ended', () => {
  const ended = { status: 84, statusText: 'bad tape', endedMs: 9n };
  expect(tryOf(row({ ...ended, state: 'JOB_STATE_REQUEUED' }))).toMatchObject(ended);
  expect(tryOf(row(ended))).toMatchObject({ status: 0, endedMs: 0n });
});

test('every job is in one bucket of states, and every done one in one of outcomes', () => {
  const state = fc.constantFrom<JobRow['state']>(
    ...(['JOB_STATE_QUEUED', 'JOB_STATE_ACTIVE', 'JOB_STATE_REQUEUED', 'JOB_STATE_DONE'] as const),
  );
  const count = fc.record({ state, status: fc.nat(300), count: fc.bigInt({ min: 1n, max: 99n }) });
  fc.assert(
    fc.property(fc.array(count), (counts) => {
      const all = summarize(counts);
      expect(all.total).toBe(counts.reduce((sum, each) => sum + each.count, 0n));
      expect(all.total).toBe(all.queued! + all.active! + all.requeued! + all.done!);
      expect(all.done).toBe(all.successful! + all.partial! + all.failed!);
    }),
  );
});
