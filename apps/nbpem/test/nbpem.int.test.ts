import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus, Client } from '@tapestry/bus';
import type { JobSpec, Policy } from '@tapestry/contracts';
import { StatusError, type StatusName, toWire } from '@tapestry/status';
import {
  eventually,
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { DAY_MS, daily, HOUR_MS, policy, schedule } from '../src/core/policy.test-data.ts';
import { makeNbpem } from '../src/daemon.ts';

let bus: TestBus;
let postgres: Awaited<ReturnType<typeof startTestPostgres>>;
let bpdbm: FakeService<'bpdbm'>;
let nbjm: FakeService<'nbjm'>;
let asNbjm: Client<'nbpem'>;
let asBprd: Client<'nbpem'>;
let asCli: Client<'nbpem'>;
let dir: string;
let publish: (name: string) => Promise<void>;
let asBpdbm: Bus;

/** Virtual time: schedules follow it, waits do not. */
let nowMs = Date.UTC(2026, 7, 5, 12);
let policies: Policy[] = [];
let images: object[] = [];
let jobs = 0n;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-nbpem-'));
  [bus, postgres] = await Promise.all([startTestBus(), startTestPostgres()]);
  asBpdbm = await bus.as({ service: 'bpdbm' });
  bpdbm = await fakeService(asBpdbm, 'bpdbm', {
    ListPolicies: async () => ({ policies: policies.filter((each) => each.active) }),
    GetPolicy: async ({ name }) => {
      const found = policies.find((each) => each.name === name);
      if (found === undefined) throw new StatusError('notFound', 'planted');
      return { policy: found };
    },
    ListImages: async () => ({ images }),
  });
  publish = (name) => asBpdbm.publish('PolicyChanged', { policy: name });
  const busOfNbjm = await bus.as({ service: 'nbjm' });
  const byKey = new Map<string, bigint>();
  nbjm = await fakeService(busOfNbjm, 'nbjm', {
    SubmitJob: async ({ key }) => {
      if (!byKey.has(key)) byKey.set(key, ++jobs);
      return { jobId: byKey.get(key)! };
    },
  });
  asNbjm = busOfNbjm.client('nbpem');
  asBprd = (await bus.as({ service: 'bprd' })).client('nbpem');
  asCli = (await bus.as({ service: 'cli' })).client('nbpem');
});

afterAll(async () => {
  await bus?.stop();
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => {
  policies = [];
  images = [];
});

const start = () =>
  startTestDaemon(
    makeNbpem(() => nowMs),
    bus,
    {
      stateDir: dir,
      env: {
        TAPESTRY_DATABASE_URL: postgres.url(),
        ...{ NBPEM_TICK_MS: '50', NBPEM_POLICY_UPDATE_MS: '200', NBPEM_TIME_ZONE: 'UTC' },
      },
    },
  );

let daemon: Awaited<ReturnType<typeof start>>;
beforeAll(async () => {
  daemon = await start();
});
afterAll(async () => await daemon?.stop());

/** What was submitted for a policy, oldest first. */
const submitted = (name: string): JobSpec[] =>
  nbjm
    .requests('SubmitJob')
    .map(({ job }) => job!)
    .filter((job) => job.policy === name);

const jobOf = (name: string, count = 1) =>
  eventually(`job ${count} of ${name}`, () => submitted(name)[count - 1]);

/** Several looks at the schedules, by the daemon's own traces of them. */
async function ticks(): Promise<void> {
  const before = bpdbm.requests('ListPolicies').length;
  nowMs += 400;
  await eventually('two updates', () => {
    nowMs += 10;
    return bpdbm.requests('ListPolicies').length > before + 1;
  });
}

const ended = (job: JobSpec, status: StatusName, fields: object = {}) =>
  asNbjm.TryEnded({
    ...{ jobId: jobs, try: 1, policy: job.policy, schedule: job.schedule, client: job.client },
    ...{ path: job.backup!.path, subtype: job.subtype, endedMs: BigInt(nowMs) },
    status: toWire(new StatusError(status, 'planted')),
    ...fields,
  });

test('a run at once makes a job for each client and path, and a repeat finds the same ones', async () => {
  const includes = ['SET HIST=F', '/vol/a', 'SET TYPE=dump', '/vol/b'];
  policies = [policy({ name: 'hand', clients: ['filer1', 'filer2'], includes, schedules: [] })];
  policies[0]!.schedules = [...policy().schedules];
  policies[0]!.schedules[0]!.windows = [];
  const request = { requestId: 'r1', policy: 'hand', owner: 'alice', keyword: 'k' };
  const first = await asBprd.RunImmediate(request);
  expect(first.jobIds).toHaveLength(4);
  expect(await asBprd.RunImmediate(request)).toEqual(first);
  const specs = submitted('hand');
  expect(specs.map((job) => [job.client, job.backup?.path])).toEqual(
    expect.arrayContaining([
      ['filer1', '/vol/a'],
      ['filer1', '/vol/b'],
      ['filer2', '/vol/a'],
      ['filer2', '/vol/b'],
    ]),
  );
  expect(specs[0]).toMatchObject({ owner: 'alice', keyword: 'k', subtype: 0, schedule: 'full' });
  expect(specs.find((job) => job.backup?.path === '/vol/b')?.backup?.env).toEqual([
    { name: 'HIST', value: 'F' },
    { name: 'TYPE', value: 'dump' },
  ]);
});

test.each([
  ['nobody', {}, 230],
  ['wrong', { schedule: 'yearly' }, 197],
  ['wrong', { client: 'filer9' }, 239],
  ['off', {}, 247],
  ['wild', {}, 106],
  ['empty', {}, 71],
])('a run of %s with %o is refused with %i', async (name, wanted, code) => {
  policies = [
    policy({ name: 'wrong' }),
    policy({ name: 'off', active: false }),
    policy({ name: 'wild', includes: ['/vol/*'] }),
    policy({ name: 'empty', includes: [] }),
  ];
  const request = { requestId: `bad${name}${code}`, policy: name, ...wanted };
  await expect(asBprd.RunImmediate(request)).rejects.toMatchObject({ code });
});

test('a refusal of nbjm reaches whoever asked for the run', async () => {
  policies = [policy({ name: 'refused' })];
  const { SubmitJob } = { SubmitJob: async () => ({ jobId: ++jobs }) };
  nbjm.answer({
    SubmitJob: async () => {
      throw new StatusError('invalidRequest', 'planted');
    },
  });
  const run = asBprd.RunImmediate({ requestId: 'r9', policy: 'refused' });
  await expect(run).rejects.toMatchObject({ code: 133, detail: 'planted' });
  nbjm.answer({ SubmitJob });
});

test('a due schedule starts by itself, once, and again when its frequency has passed', async () => {
  policies = [policy({ name: 'auto', schedules: [schedule('daily')] })];
  await publish('auto');
  const first = await jobOf('auto');
  expect(first).toMatchObject({ subtype: 1, schedule: 'daily', owner: 'root', client: 'filer1' });
  await ticks();
  expect(submitted('auto')).toHaveLength(1);
  expect(await ended(first, 'ok')).toMatchObject({ retryAtMs: 0n });
  await ticks();
  expect(submitted('auto')).toHaveLength(1);
  nowMs += DAY_MS;
  await jobOf('auto', 2);
  await ended(first, 'ok');
});

test('windows open and close the schedule, and its jobs know when they close', async () => {
  nowMs = Math.ceil(nowMs / DAY_MS) * DAY_MS + 12 * HOUR_MS;
  policies = [policy({ name: 'night', schedules: [schedule('night', { windows: daily(22, 4) })] })];
  await publish('night');
  await ticks();
  expect(submitted('night')).toHaveLength(0);
  const openMs = Math.floor(nowMs / DAY_MS) * DAY_MS + 22 * HOUR_MS;
  const { tasks } = await asCli.ListDue({ untilMs: BigInt(openMs + DAY_MS), policy: 'night' });
  expect(tasks.map((task) => Number(task.dueMs))).toEqual([openMs, openMs + DAY_MS]);
  nowMs = openMs + HOUR_MS;
  const job = await jobOf('night');
  expect(Number(job.startBeforeMs)).toBe(openMs + 4 * HOUR_MS);
  await ended(job, 'ok');
});

test('a backup that exists already puts the schedule off', async () => {
  const backupTimeS = BigInt(Math.floor(nowMs / 1_000) - 3_600);
  const image = { client: 'filer1', path: '/vol/home', schedule: 'full', backupTimeS };
  images = [{ ...image, policy: 'old' }];
  policies = [policy({ name: 'old' })];
  await publish('old');
  await ticks();
  expect(submitted('old')).toHaveLength(0);
});

test('a backup that is validated meanwhile puts the schedule off', async () => {
  const effectiveMs = BigInt(nowMs + HOUR_MS);
  policies = [policy({ name: 'event', effectiveMs })];
  await publish('event');
  await ticks();
  await asBpdbm.publish('ImageValidated', {
    ...{ policy: 'event', client: 'filer1', path: '/vol/home', schedule: 'full' },
    backupTimeS: BigInt(Math.floor(nowMs / 1_000)),
  });
  const dueMs = Math.floor(nowMs / 1_000) * 1_000 + DAY_MS;
  await eventually('the event to count', async () => {
    const { tasks } = await asCli.ListDue({ untilMs: BigInt(dueMs), policy: 'event' });
    return tasks[0]?.dueMs === BigInt(dueMs);
  });
});

test('failed tries: one retry after the delay, then the period is waited for', async () => {
  policies = [policy({ name: 'fails' })];
  await publish('fails');
  const job = await jobOf('fails');
  const again = await ended(job, 'connectTimedOut');
  expect(Number(again.retryAtMs)).toBe(nowMs + 600_000);
  expect(await ended(job, 'connectTimedOut')).toEqual(again);
  await ticks();
  expect(submitted('fails')).toHaveLength(1);
  nowMs += 600_000;
  expect((await ended(job, 'connectTimedOut', { try: 2 })).retryAtMs).toBe(0n);
  await ticks();
  expect(submitted('fails')).toHaveLength(1);
  nowMs += 12 * HOUR_MS;
  const next = await jobOf('fails', 2);
  // A cancel ends it, whatever was decided before.
  expect((await ended(next, 'connectTimedOut')).retryAtMs).toBeGreaterThan(0n);
  expect((await ended(next, 'cancelled')).retryAtMs).toBe(0n);
});

test('what was accepted while nbjm was away becomes one job each after a restart', async () => {
  policies = [policy({ name: 'crash' })];
  let asked = 0;
  nbjm.answer({
    SubmitJob: async () => {
      asked += 1;
      throw new StatusError('cannotConnect', 'planted');
    },
  });
  const request = { requestId: 'r77', policy: 'crash' };
  const impatient = asBprd.RunImmediate(request, { deadlineMs: 4_000 });
  await expect(impatient).rejects.toMatchObject({ code: 41 });
  expect(asked).toBeGreaterThan(0);
  await daemon.stop();
  nbjm.answer({ SubmitJob: async () => ({ jobId: ++jobs }) });
  const before = jobs;
  daemon = await start();
  const { jobIds } = await asBprd.RunImmediate(request);
  expect(jobIds).toEqual([before + 1n]);
});
