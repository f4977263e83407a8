import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus, Client } from '@tapestry/bus';
import type { Attempt, Init, JobProgress, JobRow, JobView } from '@tapestry/contracts';
import {
  eventually,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bpjobd } from '../src/daemon.ts';

let bus: TestBus;
let postgres: Awaited<ReturnType<typeof startTestPostgres>>;
let dir: string;
let nbjm: Bus;
let bpbrm: Bus;
let cli: Client<'bpjobd'>;
const views: JobView[] = [];

const start = () =>
  startTestDaemon(bpjobd, bus, {
    stateDir: dir,
    env: { TAPESTRY_DATABASE_URL: postgres.url(), BPJOBD_SAVE_PROGRESS_MS: '100' },
  });
let daemon: Awaited<ReturnType<typeof start>>;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-bpjobd-'));
  [bus, postgres] = await Promise.all([startTestBus(), startTestPostgres()]);
  nbjm = await bus.as({ service: 'nbjm' });
  bpbrm = await bus.as({ service: 'bpbrm', host: 'media1' });
  const asCli = await bus.as({ service: 'cli' });
  cli = asCli.client('bpjobd');
  await asCli.hear('JobView', (view) => views.push(view));
  daemon = await start();
});

afterAll(async () => {
  await daemon?.stop();
  await bus?.stop();
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const ACTIVE: Init<JobRow> = {
  ...{ state: 'JOB_STATE_ACTIVE', try: 1, flowStep: 6, operation: 'running', policy: 'nas' },
  ...{ client: 'filer1', startedMs: 5n, submittedMs: 4n },
};

let version = 0n;
/** Publishes a snapshot, each with the next version unless one is given. */
async function changed(jobId: bigint, fields: Init<JobRow>): Promise<void> {
  version += 1n;
  const job = { ...ACTIVE, jobId, version, ...fields };
  await nbjm.publish('JobChanged', { job }, { id: `${jobId}/${version}` });
}

const attempt = (jobId: bigint, tryNumber = 1): Attempt => ({ jobId, try: tryNumber, step: 0 });

const progress = (jobId: bigint, fields: Init<JobProgress> = {}) =>
  bpbrm.publish('JobProgress', {
    ...{ attempt: attempt(jobId), operation: 'writing', bytes: 100n, files: 1n },
    ...fields,
  });

const lookUp = (jobId: bigint, what: string, test: (row: JobRow) => boolean) =>
  eventually(`job ${jobId} ${what}`, async () => {
    const { job } = await cli.GetJob({ jobId }).catch(() => ({ job: null }));
    return job !== null && test(job) ? job : undefined;
  });

test('the newest snapshot wins, whatever order they come in, and tries are kept', async () => {
  await changed(1n, { state: 'JOB_STATE_QUEUED', startedMs: 0n, version: 1n });
  await changed(1n, { version: 2n });
  const second = { state: 'JOB_STATE_QUEUED', try: 2, startedMs: 0n, version: 4n } as const;
  await changed(1n, second);
  const first = { status: 84, statusText: 'bad tape', endedMs: 9n };
  await changed(1n, { ...first, state: 'JOB_STATE_REQUEUED', version: 3n });
  await changed(1n, { state: 'JOB_STATE_DONE', try: 2, endedMs: 20n, bytes: 7n, version: 5n });
  await lookUp(1n, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  const { tries, job } = await cli.GetJob({ jobId: 1n });
  expect(job).toMatchObject({ try: 2, bytes: 7n, version: 5n });
  expect(tries).toMatchObject([
    { try: 1, status: 84, statusText: 'bad tape', endedMs: 9n },
    { try: 2, status: 0, endedMs: 20n, bytes: 7n },
  ]);
  await expect(cli.GetJob({ jobId: 99n })).rejects.toMatchObject({ code: 805 });
});

test('progress is shown live, survives a restart, and never changes a job that is done', async () => {
  await changed(2n, {});
  await lookUp(2n, 'is active', () => true);
  await eventually('progress to show', async () => {
    await progress(2n);
    const { job } = await cli.GetJob({ jobId: 2n });
    return job?.bytes === 100n && job.flowStep === 8 && job.operation === 'writing';
  });
  await progress(2n, { attempt: attempt(2n, 9), bytes: 5_000n });
  await daemon.stop();
  daemon = await start();
  await lookUp(2n, 'still shows it', ({ bytes }) => bytes === 100n);
  await changed(2n, { state: 'JOB_STATE_DONE', flowStep: 10, bytes: 250n, endedMs: 9n });
  await lookUp(2n, 'is done', ({ bytes }) => bytes === 250n);
  await progress(2n, { bytes: 9_999n });
  await changed(3n, {});
  await lookUp(3n, 'is there', () => true);
  expect((await cli.GetJob({ jobId: 2n })).job).toMatchObject({ bytes: 250n, flowStep: 10 });
});

test('a failed try keeps its own status and the counts that were seen last', async () => {
  await changed(4n, {});
  await eventually('progress to show', async () => {
    await progress(4n);
    return (await cli.GetJob({ jobId: 4n }).catch(() => undefined))?.job?.bytes === 100n;
  });
  await changed(4n, { flowStep: 9, operation: 'releasing' });
  const failed = { status: 99, statusText: 'filer gone', endedMs: 8n } as const;
  await changed(4n, { ...failed, state: 'JOB_STATE_REQUEUED', flowStep: 2 });
  await changed(4n, { state: 'JOB_STATE_DONE', status: 150, endedMs: 9n, flowStep: 10 });
  await lookUp(4n, 'is cancelled', ({ status }) => status === 150);
  expect(await cli.GetJob({ jobId: 4n })).toMatchObject({
    job: { bytes: 100n, endedMs: 9n },
    tries: [{ try: 1, ...failed, bytes: 100n, files: 1n }],
  });
});

test('detail lines are numbered, and one that comes again is not', async () => {
  const line = (key: string, text: string) =>
    nbjm.publish('JobDetail', {
      ...{ attempt: attempt(3n), atMs: 7n, producer: 'nbjm', text, key },
    });
  await line('a', 'first');
  await line('b', 'second');
  await line('a', 'first');
  await line('c', 'third');
  const lines = await eventually('three lines', async () => {
    const found = (await cli.GetJob({ jobId: 3n })).lines;
    return found.length >= 3 ? found : undefined;
  });
  expect(lines.map(({ number, text }) => [number, text])).toEqual([
    [1n, 'first'],
    [2n, 'second'],
    [3n, 'third'],
  ]);
  expect((await cli.GetJob({ jobId: 3n, afterLine: 2n })).lines).toHaveLength(1);
  const heard = await eventually('the view of the last', () =>
    views.find((view) => view.line?.text === 'third'),
  );
  expect(heard.line).toMatchObject({ jobId: 3n, number: 3n, severity: 'info' });
});

test('views are numbered in order, over restarts too, and a page says what it contains', async () => {
  const numbers = views.map((view) => view.sequence);
  expect(numbers).toEqual([...numbers].sort((a, b) => (a < b ? -1 : 1)));
  expect(new Set(numbers).size).toBe(numbers.length);
  const { sequence } = await cli.ListJobs({});
  expect(sequence).toBeGreaterThanOrEqual(numbers.at(-1)!);
  await changed(3n, { operation: 'validating image', flowStep: 9 });
  const next = await eventually('the next view', () =>
    views.find((view) => view.job?.operation === 'validating image'),
  );
  expect(next.sequence).toBeGreaterThan(sequence);
});

test('lists come in pages, newest first, filtered and counted', async () => {
  for (let id = 10n; id < 20n; id++) {
    const fields = { state: 'JOB_STATE_DONE', status: id % 2n === 0n ? 0 : 84 } as const;
    await changed(id, { ...fields, endedMs: id, policy: 'pages', client: `c${id % 3n}` });
  }
  await lookUp(19n, 'is there', () => true);
  const first = await cli.ListJobs({ policy: 'pages', limit: 4 });
  expect(first.jobs.map((job) => job.jobId)).toEqual([19n, 18n, 17n, 16n]);
  expect(first.more).toBe(true);
  const rest = await cli.ListJobs({ policy: 'pages', limit: 6, beforeJobId: 16n });
  expect([rest.jobs.length, rest.more]).toEqual([6, false]);
  const some = await cli.ListJobs({ client: 'c1', states: ['JOB_STATE_DONE'], sinceMs: 13n });
  expect(some.jobs.map((job) => job.jobId)).toEqual([19n, 16n, 13n]);
  expect((await cli.ListJobs({ jobIds: [12n, 3n] })).jobs.map((job) => job.jobId)).toEqual([
    12n,
    3n,
  ]);
  const { summary } = await eventually('the counts', async () => {
    const list = await cli.ListJobs({ limit: 1 });
    return list.summary.total === 14n ? list : undefined;
  });
  expect(summary).toMatchObject({ active: 1n, done: 13n, successful: 7n, failed: 6n, queued: 0n });
});

test('records of jobs that are done can be deleted, and stay so', async () => {
  expect(await cli.DeleteJobs({ jobIds: [10n, 3n] })).toEqual({ deleted: 1 });
  await changed(10n, { state: 'JOB_STATE_DONE' });
  await changed(11n, { state: 'JOB_STATE_DONE', statusText: 'again' });
  await lookUp(11n, 'changed', ({ statusText }) => statusText === 'again');
  await expect(cli.GetJob({ jobId: 10n })).rejects.toMatchObject({ code: 805 });
  await eventually('the view of the deletion', () =>
    views.find((view) => view.deleted && view.job?.jobId === 10n),
  );
});
