import { expect, test } from 'vitest';
import { sampleJob } from '../sample-job.test-data.ts';
import { edgesOf, nodesOf, stateOfStep, stepOf, stepWords, VIEW } from './flow-map.ts';

const backup = sampleJob({ jobId: 1, client: 'nas1', mediaId: 'A00012', drive: 'drive0' });
const restore = sampleJob({ ...backup, jobId: 2, type: 'restore', destClient: 'nas2' });

test.each([backup, restore])(
  'every step of a $type is drawn between daemons that are there',
  (job) => {
    const ids = new Set(nodesOf(job).map(({ id }) => id));
    for (const { from, to } of edgesOf(job))
      expect([ids.has(from), ids.has(to)]).toEqual([true, true]);
    const steps = new Set(edgesOf(job).map(({ step }) => step));
    expect([...steps].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const step of steps) {
      expect(edgesOf(job).some((edge) => edge.step === step && edge.badge !== undefined)).toBe(
        true,
      );
    }
  },
);

test('nothing is drawn outside of the drawing', () => {
  for (const { x, y } of nodesOf(backup)) {
    expect(x > 40 && x < VIEW.width - 40 && y > 15 && y < VIEW.height - 30).toBe(true);
  }
});

test('data runs from the filer to the drive, and back for a restore', () => {
  const ends = (job: typeof backup) =>
    edgesOf(job)
      .filter(({ data }) => data)
      .map(({ from, to }) => `${from}>${to}`);
  expect(ends(backup)).toEqual(['filer>bptm', 'bptm>drive']);
  expect(ends(restore)).toEqual(['bptm>filer', 'drive>bptm']);
  expect(nodesOf(restore).find(({ id }) => id === 'filer')?.note).toBe('nas2');
});

test('steps are over, current, or ahead', () => {
  const job = sampleJob({ jobId: 1, state: 'active', outcome: 'active', flowStep: 6 });
  expect([5, 6, 7].map((step) => stateOfStep(job, step))).toEqual(['done', 'current', 'ahead']);
  const good = { ...job, state: 'done', outcome: 'successful' } as const;
  expect([1, 10].map((step) => stateOfStep(good, step))).toEqual(['done', 'done']);
  expect(stepWords(good)).toMatch(/All ten/);
});

test('a failed job is shown where it stopped, though its row has gone through the end', () => {
  const failed = { state: 'done', outcome: 'failed', flowStep: 10 } as const;
  const job = sampleJob({ jobId: 1, ...failed, startedMs: 5, mediaId: 'A00012', bytes: 7 });
  expect(stepOf(job)).toBe(8);
  expect(stateOfStep(job, 8)).toBe('failed');
  expect(stepWords(job)).toMatch(/Stopped about step 8/);
  expect(stepOf({ ...job, bytes: 0 })).toBe(6);
  expect(stepOf({ ...job, bytes: 0, mediaId: '', startedMs: null })).toBe(3);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('step %i has words', (flowStep) => {
  expect(stepWords({ ...backup, flowStep })).toMatch(new RegExp(`^Step ${flowStep} of 10: .{20}`));
});
