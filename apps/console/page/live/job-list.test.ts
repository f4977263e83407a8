import { expect, test, vi } from 'vitest';
import type { Job, JobPage, JobsQuery } from '../api.ts';
import { sampleJob } from '../sample-job.test-data.ts';
import { openJobList } from './job-list.ts';
import type { Listener, Stream } from './stream.ts';

const COUNTS = {
  ...{ queued: 0, active: 0, requeued: 0, successful: 0, partial: 0, failed: 0 },
  ...{ suspended: 0, incomplete: 0, total: 0 },
};

/** An archive of jobs behind the API, and the stream that tells of it. */
function stage(jobs: Job[]) {
  let sequence = 100;
  const listeners = new Set<Listener>();
  const asked: JobsQuery[] = [];
  const stream: Stream = {
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    state: () => ({ kind: 'live', bus: true, sinceMs: 0 }),
    onState: () => () => undefined,
    opened: async () => undefined,
    close: () => undefined,
  };
  return {
    stream,
    asked,
    fetchPage: async (query: JobsQuery): Promise<JobPage> => {
      asked.push(query);
      const { before = Infinity, limit = 200, ids } = query;
      const found = jobs
        .filter(({ jobId }) => (ids === undefined ? jobId < before : ids.includes(jobId)))
        .sort((a, b) => b.jobId - a.jobId);
      const page = found.slice(0, limit);
      const next = found.length > limit ? page.at(-1)!.jobId : null;
      return { jobs: page, next, cursor: `1.${sequence}`, counts: COUNTS };
    },
    change: (job: Job) => {
      sequence += 1;
      for (const listener of listeners) listener.change?.({ job }, { epoch: 1, sequence });
    },
    gap: () => {
      sequence += 1;
      for (const listener of listeners) listener.gap?.();
    },
    jobs,
  };
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 1 });

const past = (count: number): Job[] =>
  Array.from({ length: count }, (_, i) =>
    sampleJob({ jobId: i + 1, state: 'done', outcome: 'successful', status: 0 }),
  );

test('pages come on demand down to the oldest of 100,000', async () => {
  const { stream, fetchPage } = stage(past(100_000));
  const list = openJobList({ stream, filter: {}, fetchPage });
  await until(() => expect(list.state().ids.length).toBe(500));
  while (list.state().more) {
    const { length } = list.state().ids;
    list.loadMore();
    await until(() => expect(list.state().ids.length).toBeGreaterThan(length));
  }
  const { ids } = list.state();
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([100_000, 100_000, 1]);
  list.close();
});

test('many changes between two drawings are drawn once', async () => {
  const { stream, fetchPage, change } = stage(past(3));
  const list = openJobList({ stream, filter: {}, fetchPage });
  await until(() => expect(list.state().loaded).toBe(true));
  await until(() => expect(list.state().loading).toBe(false));
  let drawings = 0;
  list.subscribe(() => {
    drawings += 1;
  });
  for (let bytes = 1; bytes <= 1_000; bytes += 1) change(sampleJob({ jobId: 4, bytes }));
  await until(() => expect(list.state().job(4)?.bytes).toBe(1_000));
  expect(drawings).toBe(1);
  list.close();
});

test('after a gap the new jobs are there, and what had been running is as it is now', async () => {
  const running = sampleJob({ jobId: 10_000, state: 'active', outcome: 'active' });
  const gone = sampleJob({ jobId: 10_001, state: 'queued', outcome: 'queued' });
  const world = stage([...past(600), running, gone]);
  const list = openJobList({ stream: world.stream, filter: {}, fetchPage: world.fetchPage });
  await until(() => expect(list.state().ids.length).toBe(500));
  list.loadMore();
  await until(() => expect(list.state().ids.length).toBe(602));
  world.jobs.splice(600, 2, { ...running, state: 'done', outcome: 'failed', status: 84 });
  for (let i = 0; i < 700; i += 1) world.jobs.push(sampleJob({ jobId: 20_000 + i, state: 'done' }));
  world.gap();
  await until(() => expect(list.state().job(10_000)?.outcome).toBe('failed'));
  await until(() => expect(list.state().loading).toBe(false));
  const { ids, job } = list.state();
  expect(ids.length).toBe(1_301);
  expect(job(10_001)).toBeUndefined();
  expect([...ids].sort((a, b) => b - a)).toEqual(ids);
  list.close();
});
