import { expect, test } from 'vitest';
import { cancellable, lookOf, progressOf, reasonWords, stateWords } from './job-words.ts';
import { sampleJob } from './sample-job.test-data.ts';

const active = { state: 'active', outcome: 'active' } as const;
const failed = { state: 'done', outcome: 'failed', status: 84 } as const;

test.each([
  [{}, 'Queued', 'queued'],
  [{ reason: 'no free drive' }, 'Waiting', 'waiting'],
  [{ ...active, operation: 'mounting' }, 'Mounting', 'preparing'],
  [{ ...active, operation: 'writing' }, 'Writing', 'moving'],
  [{ ...active, operation: 'requesting resources' }, 'Waiting', 'waiting'],
  [{ ...active, operation: '' }, 'Active', 'preparing'],
  [{ ...active, cancelling: true }, 'Cancelling', 'preparing'],
  [{ state: 'done', outcome: 'successful', status: 0 } as const, 'Done 0', 'successful'],
  [{ state: 'done', outcome: 'partial', status: 1 } as const, 'Done 1, partly', 'partial'],
  [failed, 'Failed 84', 'failed'],
])('%o is called %s', (fields, words, look) => {
  const job = sampleJob({ jobId: 1, ...fields });
  expect([stateWords(job), lookOf(job)]).toEqual([words, look]);
});

test('an estimate never claims the end', () => {
  expect(progressOf(sampleJob({ jobId: 1, ...active, bytes: 120, bytesExpected: 100 }))).toBe(0.99);
  expect(progressOf(sampleJob({ jobId: 1, ...active, bytes: 120 }))).toBeNull();
});

test('why: what it waits for, or how it ended', () => {
  expect(reasonWords(sampleJob({ jobId: 1, reason: 'no free drive' }))).toBe('no free drive');
  expect(reasonWords(sampleJob({ jobId: 1, ...failed, statusText: 'medium full' }))).toBe(
    'Medium full (84)',
  );
  expect(reasonWords(sampleJob({ jobId: 1 }))).toBe('');
});

test('only what is not over, and not ending, can be cancelled', () => {
  expect(cancellable(sampleJob({ jobId: 1 }))).toBe(true);
  expect(cancellable(sampleJob({ jobId: 1, ...failed }))).toBe(false);
  expect(cancellable(sampleJob({ jobId: 1, ...active, cancelling: true }))).toBe(false);
});
