import { StatusError } from '@tapestry/status';
import { eventually } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { attempt, mounted, ref, request, withNbrb } from './fixture.ts';

const world = withNbrb();

async function dump() {
  return await world.cli.Dump({});
}

test('a request is granted, renewed, checked, released once idle, and the next one goes', async () => {
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  await world.asNbjm.RequestResources(request(2));
  const first = await world.granted(1);
  expect(first).toMatchObject({
    ...{ attempt: attempt(1), mediaServer: 'media1', storageUnit: 'unit1' },
    ...{ drive: { name: 'd0' }, volume: { mediaId: 'A00001' }, blockSizeBytes: 4_096 },
  });
  const waits = await world.nbjm.waitFor('ResourcesWaiting');
  expect(waits).toMatchObject({ attempt: attempt(2), reason: 'drive d0 is held by job 1' });
  const grants = [ref(first), { ...ref(first), epoch: first.epoch + 1n }];
  const { invalid } = await world.asLtid.RenewGrants({ host: 'media1', grants });
  expect(invalid).toEqual([grants[1]]);
  const checked = await world.asNbemm.CheckGrant({ grant: ref(first) });
  expect(checked).toEqual({
    ...{ valid: true, mediaServer: 'media1', storageUnit: 'unit1' },
    ...{ pool: 'NetBackup', writes: true },
  });
  expect((await world.asNbemm.CheckGrant({ grant: grants[1]! })).valid).toBe(false);

  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  const second = await world.granted(2);
  expect(second.attempt).toEqual(attempt(2));
  expect(second.epoch).toBeGreaterThan(first.epoch);
  expect((await world.asNbemm.CheckGrant({ grant: ref(first) })).valid).toBe(false);
  expect(await dump()).toMatchObject({ waiting: [], grants: [{ state: 'active' }], unknown: [] });
});

test('repeats and late requests change nothing, and an old try is refused', async () => {
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const first = await world.granted(1);
  await world.asNbjm.RequestResources(request(1));
  await world.asNbjm.WithdrawRequest({ attempt: attempt(2) });
  await world.asNbjm.RequestResources(request(2));
  await world.asNbjm.RequestResources(request(3));
  await world.asNbjm.WithdrawRequest({ attempt: attempt(3) });
  expect((await dump()).waiting).toEqual([]);
  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  await world.asNbjm.RequestResources(request(1));
  await world.asNbjm.RequestResources({ ...request(9), attempt: attempt(9, 2) });
  expect((await world.granted(2)).attempt).toEqual(attempt(9, 2));
  const old = world.asNbjm.RequestResources({ ...request(9), attempt: attempt(9, 1) });
  await expect(old).rejects.toThrow(/902/);
  expect((await dump()).grants).toHaveLength(1);
});

test('a scratch volume is taken before the grant is told, and given back when unused', async () => {
  world.needsAssign = true;
  await world.start();
  await world.asNbjm.RequestResources(request(1, { pool: 'Weekly', retentionLevel: 3 }));
  const first = await world.granted(1);
  expect(world.nbemm.requests('AssignVolume')).toMatchObject([
    { grantId: first.grantId, mediaId: 'A00001', pool: 'Weekly', retentionLevel: 3 },
  ]);
  expect(first.volume).toMatchObject({ pool: 'Weekly', assignedMs: 7n });
  await world.asNbjm.WithdrawRequest({ attempt: attempt(1) });
  const given = await world.nbemm.waitFor('UnassignVolume');
  expect(given).toEqual({ grantId: first.grantId, mediaId: 'A00001' });
});

test('a volume that changed meanwhile sends the request back for another', async () => {
  world.needsAssign = true;
  world.nbemm.answer({
    AssignVolume: async ({ mediaId }) => {
      world.volumes = ['A00002'];
      if (mediaId === 'A00001') throw new StatusError('conflict', 'it has changed');
      return { volume: { mediaId, assignedMs: 8n } };
    },
  });
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  expect((await world.granted(1)).volume?.mediaId).toBe('A00002');
  expect((await dump()).grants).toHaveLength(1);
});

test('a request that can never be granted is refused', async () => {
  await world.start();
  await world.asNbjm.RequestResources(request(1, { pool: 'Nowhere' }));
  const refused = await world.nbjm.waitFor('ResourcesRefused');
  expect(refused).toMatchObject({ attempt: attempt(1), status: { code: 167 } });
  expect((await dump()).waiting).toEqual([]);
});

test('a drive in use is not free after its release, and becomes free when its host says so', async () => {
  await world.start({ NBRB_RELEASE_WAIT_MS: '300' });
  await world.asNbjm.RequestResources(request(1));
  const first = await world.granted(1);
  world.mounts = [mounted(first)];
  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  await world.asNbjm.RequestResources(request(2));
  const { unknown, grants } = await eventually('the drive is unknown', async () => {
    const now = await dump();
    return now.unknown.length === 2 ? now : undefined;
  });
  expect(unknown.map((each) => each.name).sort()).toEqual(['A00001', 'd0']);
  expect(unknown[0]?.reason).toContain('still in use by job 1');
  expect(grants).toMatchObject([{ state: 'lost' }]);
  await eventually('the other job says why it waits', async () =>
    /drive d0 is (unknown|held)/.test((await dump()).waiting[0]?.reasons[0] ?? ''),
  );
  world.mounts = [];
  const drives = [{ drive: 'd0', ready: true }];
  await world.asLtid.ReportDrives({ host: 'media1', drives });
  expect((await world.granted(2)).attempt).toEqual(attempt(2));
});

test('an operator may vouch for what is unknown, and for nothing else', async () => {
  await world.start({ NBRB_RELEASE_WAIT_MS: '0' });
  await world.asNbjm.RequestResources(request(1));
  const first = await world.granted(1);
  const vouch = (kind: string, name: string) =>
    world.cli.ReleaseUnknown({ kind, name, requester: 'root' });
  await expect(vouch('drive', 'd0')).rejects.toThrow(/227/);
  world.mounts = [mounted(first)];
  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  await eventually('the drive is unknown', async () => (await dump()).unknown.length === 2);
  await vouch('drive', 'd0');
  expect((await dump()).unknown).toMatchObject([{ kind: 'volume', name: 'A00001' }]);
  await vouch('volume', 'A00001');
  expect(await dump()).toMatchObject({ unknown: [], grants: [] });
});

test('a silent writer loses its grant; its drive stays taken until the host calls it idle', async () => {
  await world.start({ NBRB_LEASE_T2_MS: '1000', NBRB_POLL_MS: '200' });
  await world.asNbjm.RequestResources(request(1));
  const first = await world.granted(1);
  world.mounts = [mounted(first)];
  const lost = await world.nbjm.waitFor('GrantLost');
  expect(lost).toMatchObject({
    grant: ref(first),
    reason: expect.stringContaining('not heard of'),
  });
  const { invalid } = await world.asLtid.RenewGrants({ host: 'media1', grants: [ref(first)] });
  expect(invalid).toEqual([ref(first)]);
  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  expect((await dump()).unknown).toHaveLength(2);
  // Nobody reports: the slow look finds out by itself.
  world.mounts = [{ drive: 'd0', state: 'idle' }];
  await eventually('the drive is free', async () => (await dump()).grants.length === 0);
});

test('a drive that is held under a grant which is over is not given out', async () => {
  await world.start();
  const holder = { attempt: attempt(77), grantId: 'old', epoch: 1n };
  await world.asLtid.ReportDrives({
    host: 'media1',
    drives: [{ drive: 'd0', holder, mediaId: 'A00001' }],
  });
  await world.asNbjm.RequestResources(request(1));
  const { reason } = await world.nbjm.waitFor('ResourcesWaiting');
  expect(reason).toContain('drive d0 is unknown: held on media1 under grant old of job 77');
  await world.asLtid.ReportDrives({ host: 'media1', drives: [{ drive: 'd0' }] });
  expect((await world.granted(1)).drive?.name).toBe('d0');
});

test('a drive that is cleaned is not given out until it is back', async () => {
  await world.start();
  const reason = 'being cleaned';
  const report = (ready: boolean) =>
    world.asLtid.ReportDrives({
      host: 'media1',
      drives: [{ drive: 'd0', ready, reason: ready ? '' : reason }],
    });
  await report(false);
  await world.asNbjm.RequestResources(request(1));
  const waiting = await world.nbjm.waitFor('ResourcesWaiting');
  expect(waiting.reason).toContain('drive d0 is unknown: being cleaned');
  await report(true);
  expect((await world.granted(1)).drive?.name).toBe('d0');
});

test('a media server speaks for itself only', async () => {
  await world.start();
  await expect(world.asLtid.ReportDrives({ host: 'media2', drives: [] })).rejects.toThrow(/37/);
});

test('200 requests at once: each is granted once, and nbemm is not asked for each in each pass', async () => {
  world.drives = ['d0', 'd1', 'd2', 'd3'];
  world.volumes = ['A00001', 'A00002', 'A00003', 'A00004', 'A00005'];
  await world.start();
  const counters = [{ name: 'NBU_POLICY.MAXJOBS.p', limit: 3 }];
  world.nbjm.answer({
    ResourcesGranted: async ({ grant }) => {
      setImmediate(() => void world.asNbjm.ReleaseGrant({ grant: ref(grant!) }));
      return {};
    },
  });
  const jobs = Array.from({ length: 200 }, (_, i) => i + 1);
  await Promise.all(jobs.map((id) => world.asNbjm.RequestResources(request(id, { counters }))));
  await world.nbjm.waitFor('ResourcesGranted', { count: 200, timeoutMs: 150_000 });
  const order = world.nbjm
    .requests('ResourcesGranted')
    .map(({ grant }) => Number(grant?.attempt?.jobId));
  expect(new Set(order).size).toBe(200);
  await eventually('all is free', async () => (await dump()).grants.length === 0);
  // One question for each pass at most, however many wait: far fewer than one a request and pass.
  expect(world.nbemm.requests('Evaluate').length).toBeLessThan(600);
}, 240_000);
