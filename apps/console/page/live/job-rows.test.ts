import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleJob } from '../sample-job.test-data.ts';
import { applyChange, emptyRows, mergePage, placeOf, removeJob } from './job-rows.ts';

const at = (sequence: number, epoch = 1) => ({ epoch, sequence });
const ALL = { filter: {}, more: false };

test('a page brings jobs newest first, and never anything older than what is known', () => {
  const rows = emptyRows();
  mergePage(rows, [sampleJob({ jobId: 5 }), sampleJob({ jobId: 3 })], at(10));
  applyChange(rows, { job: sampleJob({ jobId: 5, bytes: 9 }), position: at(12) }, ALL);
  mergePage(rows, [sampleJob({ jobId: 5 }), sampleJob({ jobId: 4 })], at(11));
  expect(rows.ids).toEqual([5, 4, 3]);
  expect(rows.byId.get(5)?.job.bytes).toBe(9);
  mergePage(rows, [sampleJob({ jobId: 5, bytes: 1 })], at(1, 2));
  expect(rows.byId.get(5)?.job.bytes).toBe(1);
});

test('a job leaves a view that it no longer matches, and comes in when it does', () => {
  const rows = emptyRows();
  const rules = { filter: { outcomes: ['active'] as const }, more: false };
  const change = (outcome: 'queued' | 'active', sequence: number): boolean =>
    applyChange(rows, { job: sampleJob({ jobId: 1, outcome }), position: at(sequence) }, rules);
  expect(change('queued', 1)).toBe(false);
  expect(change('active', 2)).toBe(true);
  expect(rows.ids).toEqual([1]);
  expect(change('queued', 3)).toBe(true);
  expect(rows.ids).toEqual([]);
});

test('an old job that is not loaded yet waits for its page', () => {
  const rows = emptyRows();
  mergePage(rows, [sampleJob({ jobId: 50 })], at(1));
  const old = { job: sampleJob({ jobId: 2 }), position: at(2) };
  expect(applyChange(rows, old, { filter: {}, more: true })).toBe(false);
  expect(applyChange(rows, old, ALL)).toBe(true);
});

test('changes in any order, once or twice, end in the newest of each job, sorted', () => {
  const change = fc.record({ jobId: fc.integer({ min: 1, max: 12 }), sequence: fc.nat(200) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 80 }), fc.func(fc.integer()), (changes, order) => {
      const rows = emptyRows();
      const shuffled = [...changes, ...changes].sort((a, b) => order(a) - order(b));
      for (const { jobId, sequence } of shuffled) {
        const job = sampleJob({ jobId, bytes: sequence });
        applyChange(rows, { job, position: at(sequence) }, ALL);
      }
      const jobIds = [...new Set(changes.map(({ jobId }) => jobId))].sort((a, b) => b - a);
      expect(rows.ids).toEqual(jobIds);
      for (const jobId of jobIds) {
        const newest = Math.max(...changes.filter((c) => c.jobId === jobId).map((c) => c.sequence));
        expect(rows.byId.get(jobId)?.job.bytes).toBe(newest);
      }
    }),
  );
});

test('a removed job is gone; its place is where it would stand', () => {
  const rows = emptyRows();
  mergePage(
    rows,
    [9, 7, 5].map((jobId) => sampleJob({ jobId })),
    at(1),
  );
  expect(removeJob(rows, 7)).toBe(true);
  expect(removeJob(rows, 7)).toBe(false);
  expect(rows.ids).toEqual([9, 5]);
  expect([10, 9, 7, 5, 1].map((jobId) => placeOf(rows.ids, jobId))).toEqual([0, 0, 1, 1, 2]);
});
