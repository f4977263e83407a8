import { codec, type Grant, type Init, type JobSpec, verifyStart } from '@tapestry/contracts';
import { StatusError, toWire } from '@tapestry/status';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BACKUP, goodRun, makeWorld, noRuns, OK, refOf, type World } from './world.ts';

let world: World;
let daemon: { stop(): Promise<void> };

beforeAll(async () => {
  world = await makeWorld();
  daemon = await world.start({ NBJM_RECONCILE_MS: '200', NBJM_STOP_DEADLINE_MS: '3000' });
});

afterAll(async () => {
  await daemon?.stop();
  await world?.stop();
});

let keys = 0;
const submit = async (job: Init<JobSpec> = BACKUP, key = `key${++keys}`) =>
  (await world.asNbpem.SubmitJob({ key, job })).jobId;

/** nbrb's grant for the newest request of a job. */
async function grantTo(jobId: bigint, tryNumber = 1, step = 0): Promise<Grant> {
  const request = await eventually(`a request of job ${jobId}`, () =>
    world.nbrb
      .requests('RequestResources')
      .find(
        ({ attempt }) =>
          attempt?.jobId === jobId && attempt.try === tryNumber && attempt.step === step,
      ),
  );
  const grant = world.grant(request, `g${jobId}.${tryNumber}.${step}`);
  await world.asNbrb.ResourcesGranted({ grant });
  return grant;
}

/** The start that a media server got for a grant. */
const startOf = (grant: Grant) =>
  eventually(`a start under ${grant.grantId}`, () => {
    const specs = world.bpcd.requests('Start').map((start) => ({
      start,
      spec: codec('RunSpec').decode(start.runSpec),
    }));
    return specs.find(({ spec }) => spec.grant?.grantId === grant.grantId);
  });

const released = (grant: Grant) =>
  eventually(`the release of ${grant.grantId}`, () =>
    world.nbrb
      .requests('ReleaseGrant')
      .find(({ grant: given }) => given?.grantId === grant.grantId),
  );

async function runBackup(jobId: bigint, tryNumber = 1) {
  const grant = await grantTo(jobId, tryNumber);
  const started = await startOf(grant);
  await world.row(jobId, 'runs', ({ operation }) => operation === 'running');
  return { grant, ...started };
}

test('a backup goes from request to done, and every neighbour hears its part', async () => {
  const jobId = await submit();
  expect(await submit(BACKUP, `key${keys}`)).toBe(jobId);
  await world.row(jobId, 'waits', ({ state, flowStep }) => {
    return state === 'JOB_STATE_QUEUED' && flowStep === 3;
  });
  await world.asNbrb.ResourcesWaiting({
    attempt: { jobId, try: 1, step: 0 },
    reason: 'all drives are in use',
  });
  await world.row(jobId, 'says why', ({ stateDetails }) => stateDetails.includes('drives'));
  const { grant, start, spec } = await runBackup(jobId);
  verifyStart(world.publicKey, start, Date.now());
  const [request] = world.nbrb.requests('RequestResources').filter((r) => {
    return r.attempt?.jobId === jobId;
  });
  expect(request).toMatchObject({
    mode: 'DRIVE_MODE_WRITE',
    pool: 'NetBackup',
    counters: [{ name: 'NBU_POLICY.MAXJOBS.nas', limit: 4 }],
  });
  expect(spec).toMatchObject({
    job: { client: 'filer1', backup: { path: '/vol/home' } },
    image: { backupId: `filer1_${jobId}` },
  });
  await world.asBpbrm.RunEnded({ grant: refOf(grant), result: goodRun(`filer1_${jobId}`) });
  const row = await world.row(jobId, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  expect(row).toMatchObject({
    ...{ status: 0, bytes: 5_000n, files: 7n, mediaServer: 'media1', storageUnit: 'stu1' },
    ...{ mediaId: 'A00001', drive: 'drive1', backupId: `filer1_${jobId}`, flowStep: 10, try: 1 },
  });
  await released(grant);
  expect(world.bpdbm.requests('ValidateImage').at(-1)?.result?.backupId).toBe(row.backupId);
  const told = await world.nbpem.waitFor('TryEnded');
  expect(told).toMatchObject({ jobId, try: 1, policy: 'nas', path: '/vol/home', subtype: 1 });
});

test('a failed try rests until nbpem lets it run again', async () => {
  world.nbpem.answer({
    TryEnded: async ({ try: tryNumber }) => ({
      retryAtMs: tryNumber === 1 ? BigInt(Date.now() + 1_500) : 0n,
    }),
  });
  const jobId = await submit();
  const first = await runBackup(jobId);
  const failed = { status: toWire(new StatusError('mediaWriteError', 'A00001 block 8')) };
  await world.asBpbrm.RunEnded({ grant: refOf(first.grant), result: failed });
  const resting = await world.row(jobId, 'rests', ({ state }) => state === 'JOB_STATE_REQUEUED');
  expect(resting).toMatchObject({ status: 84, statusText: 'A00001 block 8', try: 1 });
  expect(resting.retryAtMs).toBeGreaterThan(0n);
  const second = await runBackup(jobId, 2);
  // A late report of the first try changes nothing.
  await world.asBpbrm.RunEnded({ grant: refOf(first.grant), result: failed });
  await world.asBpbrm.RunEnded({ grant: refOf(second.grant), result: failed });
  const row = await world.row(jobId, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  expect(row).toMatchObject({ status: 84, try: 2 });
  await released(first.grant);
  await released(second.grant);
  const abandoned = () =>
    world.bpdbm
      .requests('AbandonImage')
      .filter((r) => r.attempt?.jobId === jobId)
      .map(({ attempt }) => attempt?.try);
  await eventually('both images are abandoned', () => abandoned().length >= 2);
  expect(abandoned()).toEqual([1, 2]);
  const again = world.nbrb.requests('RequestResources').findLast((r) => r.attempt?.jobId === jobId);
  expect(again?.avoidMediaIds).toEqual(['A00001']);
});

test('an image that bpdbm refuses fails the job with its reason', async () => {
  world.nbpem.answer({ TryEnded: async () => ({ retryAtMs: 0n }) });
  const valid = { ValidateImage: async () => ({}) };
  world.bpdbm.answer({
    ValidateImage: async () => {
      throw new StatusError('conflict', 'the file list is another one');
    },
  });
  const jobId = await submit();
  const { grant } = await runBackup(jobId);
  await world.asBpbrm.RunEnded({ grant: refOf(grant), result: goodRun(`filer1_${jobId}`) });
  const row = await world.row(jobId, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  world.bpdbm.answer(valid);
  expect(row).toMatchObject({ status: 224, statusText: 'the file list is another one' });
  await released(grant);
});

test('cancel: a queued job withdraws, a running one is told to end', async () => {
  const queued = await submit();
  await world.asCli.CancelJob({ jobId: queued, requester: 'root' });
  await world.row(queued, 'is cancelled', ({ status }) => status === 150);
  await eventually('the withdrawal', () =>
    world.nbrb.requests('WithdrawRequest').some(({ attempt }) => attempt?.jobId === queued),
  );
  const late = world.grant(
    codec('ResourceRequest').decode(
      codec('ResourceRequest').encode({ attempt: { jobId: queued, try: 1, step: 0 } }),
    ),
    `late${queued}`,
  );
  await world.asNbrb.ResourcesGranted({ grant: late });
  await released(late);

  world.bpbrm.answer({
    ListRuns: async () => ({ runs: [{ grant: refOf(grant), phase: 'ending' }] }),
  });
  const running = await submit();
  const { grant } = await runBackup(running);
  await world.asCli.CancelJob({ jobId: running, requester: 'root' });
  const row = await world.row(running, 'is cancelling', ({ cancelling }) => cancelling);
  expect(row).toMatchObject({ state: 'JOB_STATE_ACTIVE', operation: 'cancelling' });
  const told = await world.bpbrm.waitFor('CancelRun');
  expect(told).toMatchObject({ grant: { grantId: grant.grantId }, reason: { code: 150 } });
  const status = toWire(new StatusError('cancelled', 'the run was ended'));
  await world.asBpbrm.RunEnded({ grant: refOf(grant), result: { status } });
  const done = await world.row(running, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  expect(done).toMatchObject({ status: 150, cancelling: false });
  await expect(world.asCli.CancelJob({ jobId: 999_999n })).rejects.toMatchObject({ code: 805 });
});

test('a cancelled run that never ends is fenced, and its grant given back', async () => {
  const jobId = await submit();
  world.bpbrm.answer({ ListRuns: async () => ({ runs: [{ grant: refOf(grant) }] }) });
  const { grant } = await runBackup(jobId);
  await world.asCli.CancelJob({ jobId, requester: 'root' });
  await released(grant);
  await world.row(jobId, 'is done', ({ status }) => status === 150);
});

test('a run that its media server no longer knows ends; one that it cannot tell of does not', async () => {
  world.bpbrm.answer({ ListRuns: noRuns });
  const before = world.bpbrm.requests('ListRuns').length;
  const jobId = await submit();
  const { grant } = await runBackup(jobId);
  await world.bpbrm.waitFor('ListRuns', { count: before + 2 });
  expect(world.rows.get(jobId)?.operation).toBe('running');
  const live = world.bus.as({ service: 'ltid', host: 'media1' });
  const check = async () =>
    (await (await live).client('nbjm').CheckAttempts({ attempts: [grant.attempt!] })).states;
  expect(await check()).toMatchObject([{ live: true }]);
  world.bpbrm.answer({ ListRuns: async () => ({ runs: [] }) });
  await world.row(jobId, 'is done', ({ status }) => status === 50);
  expect(await check()).toMatchObject([{ live: false }]);
  await released(grant);
});

test('a lost grant ends the job, and a grant that nobody knows is handed back', async () => {
  world.bpbrm.answer({ ListRuns: async () => ({ runs: [{ grant: refOf(grant) }] }) });
  const jobId = await submit();
  const { grant } = await runBackup(jobId);
  await world.asNbrb.GrantLost({ grant: refOf(grant), reason: 'no renewal for 10 minutes' });
  const row = await world.row(jobId, 'is done', ({ status }) => status === 40);
  expect(row.statusText).toMatch(/no renewal/);
  const foreign = world.grant({ attempt: { jobId: 7_777n, try: 1, step: 0 } } as never, 'foreign');
  await world.asNbrb.ResourcesGranted({ grant: foreign });
  await released(foreign);
});

test('a restore reads its images one after the other', async () => {
  world.bpbrm.answer({ ListRuns: noRuns });
  const steps = ['A00001', 'A00002'].map((mediaId, i) => ({
    backupId: `filer1_170000000${i}`,
    fragments: [{ number: 1, mediaId }],
    entries: [{ originalPath: Buffer.from(`/vol/home/${i}`) }],
  }));
  const jobId = await submit({
    ...{ type: 'JOB_TYPE_RESTORE', client: 'filer1' },
    restore: { destClient: 'filer2', steps },
  });
  for (const step of [0, 1]) {
    const grant = await grantTo(jobId, 1, step);
    const { spec } = await startOf(grant);
    const entries = spec.job?.restore?.steps.map((each) => each.entries.length);
    expect([spec.restoreStep, entries]).toEqual([step, step === 0 ? [1, 0] : [0, 1]]);
    const result = { status: OK, restore: { bytes: 10n, filesRestored: 1n } };
    await world.asBpbrm.RunEnded({ grant: refOf(grant), result });
  }
  const row = await world.row(jobId, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  expect(row).toMatchObject({ status: 0, bytes: 20n, files: 2n, steps: 2, destClient: 'filer2' });
  const reads = world.nbrb.requests('RequestResources').filter((r) => r.attempt?.jobId === jobId);
  expect(reads.map(({ mode, mediaId }) => [mode, mediaId])).toEqual([
    ['DRIVE_MODE_READ', 'A00001'],
    ['DRIVE_MODE_READ', 'A00002'],
  ]);
});

test('a broker or a media server that is away is named while the job waits for it', async () => {
  const away = async () => {
    throw new StatusError('cannotConnect', 'planted away');
  };
  world.nbrb.answer({ RequestResources: away });
  const jobId = await submit();
  await world.row(jobId, 'says why', ({ stateDetails }) => stateDetails === 'planted away');
  world.nbrb.answer({ RequestResources: async () => ({}) });
  world.bpcd.answer({ Start: away });
  const before = world.bpcd.requests('Start').length;
  await grantTo(jobId);
  await world.bpcd.waitFor('Start', { count: before + 2 });
  world.bpcd.answer({ Start: async () => ({}) });
  await world.row(jobId, 'runs', ({ operation }) => operation === 'running');
});

test('a job that cannot be done is refused when it is submitted', async () => {
  await expect(submit({ ...BACKUP, backup: { path: '' } })).rejects.toMatchObject({ code: 133 });
  const restore = { restore: { steps: [{ backupId: 'x' }] } };
  await expect(
    submit({ type: 'JOB_TYPE_RESTORE', client: 'filer1', ...restore }),
  ).rejects.toMatchObject({ code: 165 });
});
