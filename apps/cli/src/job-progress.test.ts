import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobRow } from '../test/rows.ts';
import { jointStatus, progressText, rateBytesS, withSample } from './job-progress.ts';

test('the rate is that of the last seconds', () => {
  let samples = withSample([], { atMs: 0, bytes: 0n });
  for (let second = 1; second <= 10; second += 1) {
    samples = withSample(samples, { atMs: second * 1000, bytes: BigInt(second) * 2_000_000n });
  }
  expect(rateBytesS(samples)).toBe(2_000_000);
  expect(samples.length).toBeLessThanOrEqual(6);
});

test('a new try begins again at nothing', () => {
  const samples = withSample([{ atMs: 0, bytes: 500n }], { atMs: 1000, bytes: 10n });
  expect(rateBytesS(samples)).toBe(0);
});

test('a line says what runs, how much and how fast', () => {
  const samples = [
    { atMs: 0, bytes: 0n },
    { atMs: 1000, bytes: 2_048_000n },
  ];
  expect(progressText(jobRow(), samples)).toBe(
    'job 7: Active, writing: 2.0 MB, 2.0 MB/s, 12 files',
  );
});

test('a waiting job says why', () => {
  const job = jobRow({ state: 'JOB_STATE_QUEUED', stateDetails: 'no drive is free', bytes: 0n });
  expect(progressText(job, [])).toBe('job 7: Queued (no drive is free)');
});

test('so does a restore, which is active while it waits', () => {
  const job = jobRow({ operation: 'queued', stateDetails: 'TAP001 is in use', bytes: 0n });
  expect(progressText(job, [])).toBe('job 7: Active, queued (TAP001 is in use)');
});

test.each([
  [[0, 0], 0],
  [[84], 84],
  [[84, 99], 84],
  [[0, 99], 1],
  [[0, 1], 1],
])('%s together is %s', (statuses, expected) => expect(jointStatus(statuses)).toBe(expected));

test('together they are well only when each is', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { minLength: 1 }), (statuses) => {
      expect(jointStatus(statuses) === 0).toBe(statuses.every((status) => status === 0));
    }),
  );
});
