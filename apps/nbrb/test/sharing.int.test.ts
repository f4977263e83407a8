// Several resources for one request, several streams on one drive, and what an operator may do about grants.

import { StatusError } from '@tapestry/status';
import { eventually, fakeService } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { attempt, evaluate, mounted, ref, request, withNbrb } from './fixture.ts';

const world = withNbrb();

async function dump() {
  return await world.cli.Dump({});
}

const copy = (jobId: number) =>
  request(jobId, {
    ...{ mode: 'DRIVE_MODE_READ', mediaId: 'A00001', storageUnit: '' },
    more: [{ mode: 'DRIVE_MODE_WRITE', storageUnit: 'unit1', pool: 'Copies' }],
  });

test('a copy gets two drives together, and gives both back', async () => {
  world.drives = ['d0', 'd1'];
  world.volumes = ['A00001', 'A00002'];
  await world.start();
  await world.asNbjm.RequestResources(request(1, { mode: 'DRIVE_MODE_READ', mediaId: 'A00002' }));
  const first = await world.granted(1);
  await world.asNbjm.RequestResources(copy(2));
  const { reason } = await world.nbjm.waitFor('ResourcesWaiting');
  expect(reason).toContain('held by job 1');
  await world.asNbjm.ReleaseGrant({ grant: ref(first) });
  const both = await world.granted(2);
  expect(both).toMatchObject({ mode: 'DRIVE_MODE_READ', volume: { mediaId: 'A00001' } });
  expect(both.more).toMatchObject([{ mode: 'DRIVE_MODE_WRITE', volume: { mediaId: 'A00002' } }]);
  expect(new Set([both.drive?.name, both.more[0]?.drive?.name]).size).toBe(2);
  const grants = [both, both.more[0]!].map(ref);
  expect((await world.asLtid.RenewGrants({ host: 'media1', grants })).invalid).toEqual([]);
  await world.asNbjm.ReleaseGrant({ grant: ref(both) });
  await eventually('all is free', async () => (await dump()).grants.length === 0);
});

test('a volume of a copy that has changed sends all of it back', async () => {
  world.drives = ['d0', 'd1'];
  world.volumes = ['A00001', 'A00002'];
  world.needsAssign = true;
  let tries = 0;
  world.nbemm.answer({
    AssignVolume: async ({ mediaId }) => {
      tries += 1;
      if (tries === 1) throw new StatusError('conflict', 'changed');
      return { volume: { mediaId, assignedMs: 9n } };
    },
  });
  await world.start();
  await world.asNbjm.RequestResources(copy(1));
  const both = await world.granted(1);
  expect(both.more).toHaveLength(1);
  expect((await dump()).grants).toHaveLength(2);
  await world.asNbjm.WithdrawRequest({ attempt: attempt(1) });
  await eventually('all is free', async () => (await dump()).grants.length === 0);
});

test('streams share a drive, which is free when the last of them has ended', async () => {
  world.maxMpx = 2;
  world.needsAssign = true;
  await world.start();
  for (const id of [1, 2, 3]) await world.asNbjm.RequestResources(request(id, { maxMpx: 4 }));
  const [one, two] = [await world.granted(1), await world.granted(2)];
  expect(two).toMatchObject({ mpxGroup: one.grantId, drive: { name: 'd0' }, volume: one.volume! });
  expect(two.epoch).not.toBe(one.epoch);
  expect([one.maxMpx, one.mpxMount]).toEqual([2, null]);
  expect(two).toMatchObject({ maxMpx: 2, mpxMount: ref(one) });
  world.mounts = [mounted(one)];
  await world.asNbjm.ReleaseGrant({ grant: ref(one) });
  // Its stream may not go on, but the mount that the others use is still its own.
  const renewal = { host: 'media1', grants: [ref(one)] };
  expect((await world.asBptm.RenewGrants(renewal)).invalid).toHaveLength(1);
  expect((await world.asLtid.RenewGrants(renewal)).invalid).toEqual([]);
  // The place is taken by the third; the drive never left the group.
  const three = await world.granted(3);
  expect(three).toMatchObject({ mpxGroup: one.grantId, mpxMount: ref(one) });
  world.mounts = [];
  for (const grant of [two, three]) await world.asNbjm.ReleaseGrant({ grant: ref(grant) });
  await eventually('all is free', async () => (await dump()).grants.length === 0);
  expect((await world.asLtid.RenewGrants(renewal)).invalid).toHaveLength(1);
  expect(world.nbemm.requests('UnassignVolume')).toMatchObject([{ grantId: one.grantId }]);
});

test('an operator closes a group, suspends, resumes and changes a priority', async () => {
  world.maxMpx = 4;
  await world.start();
  await world.asNbjm.RequestResources(request(1, { maxMpx: 4 }));
  const one = await world.granted(1);
  await world.cli.CloseGroup({ kind: 'drive', name: 'd0' });
  const requestedMs = BigInt(Date.now());
  for (const id of [2, 3]) {
    await world.asNbjm.RequestResources(request(id, { maxMpx: 4, requestedMs }));
  }
  await eventually('nobody joins', async () =>
    /held by job 1/.test((await dump()).waiting[1]?.reasons[0] ?? ''),
  );
  await world.cli.SetSuspended({ suspended: true, requester: 'root' });
  await world.cli.ChangePriority({ jobId: 3n, priority: 7, requester: 'root' });
  await expect(world.cli.ChangePriority({ jobId: 9n, priority: 7 })).rejects.toThrow(/227/);
  await world.asNbjm.ReleaseGrant({ grant: ref(one) });
  await eventually('it says so', async () =>
    /suspended by root/.test((await dump()).waiting[0]?.reasons[0] ?? ''),
  );
  expect((await dump()).suspended).toContain('suspended by root');
  await world.cli.SetSuspended({ suspended: false, requester: 'root' });
  expect((await world.granted(2)).attempt).toEqual(attempt(3));
});

test('what an operator takes back ends its job, and is free once its host says so', async () => {
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const one = await world.granted(1);
  world.mounts = [mounted(one)];
  const take = (kind: string, name: string) =>
    world.cli.TakeBack({ kind, name, requester: 'root' });
  await expect(take('drive', 'd9')).rejects.toThrow(/227/);
  expect(await take('drive', 'd0')).toEqual({ grants: 1 });
  expect(await world.nbjm.waitFor('GrantLost')).toMatchObject({
    ...{ grant: ref(one), reason: 'taken back by root' },
  });
  expect((await dump()).grants).toMatchObject([{ state: 'releasing' }]);
  world.mounts = [];
  await eventually('it is free', async () => (await dump()).grants.length === 0);
});

test('the comparison finds a job that is over, and a repair frees it', async () => {
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const one = await world.granted(1);
  world.over = new Set([1n]);
  world.mounts = [{ ...mounted(one), holder: { ...ref(one), grantId: 'stranger' } }];
  const { differences } = await world.cli.CheckAllocations({ repair: false });
  expect(differences[0]).toContain('job 1 is over and has grant');
  expect(differences[1]).toContain('under grant stranger');
  expect((await dump()).grants).toHaveLength(1);
  await world.cli.CheckAllocations({ repair: true });
  await eventually('it is free', async () => (await dump()).grants.length === 0);
});

test('without nbemm jobs wait and say so; they go once it is back', async () => {
  await world.start({ NBRB_POLL_MS: '300' });
  await world.nbemm.stop();
  await world.asNbjm.RequestResources(request(1));
  const { reason } = await world.nbjm.waitFor('ResourcesWaiting');
  expect(reason).toContain('nbemm could not be asked');
  world.nbemm = await fakeService(await world.bus.as({ service: 'nbemm' }), 'nbemm', {
    Evaluate: async () => ({
      choices: [
        {
          ...{ storageUnit: 'unit1', mediaServer: 'media1', drives: [{ name: 'd0' }] },
          volumes: [{ volume: { mediaId: 'A00001' } }],
        },
      ],
    }),
  });
  expect((await world.granted(1)).volume?.mediaId).toBe('A00001');
});

test('what is being decided while an operator suspends is not given out any more', async () => {
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let asked = false;
  world.nbemm.answer({
    Evaluate: async (question) => {
      asked = true;
      await held;
      return evaluate(world, question);
    },
  });
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  await eventually('a round is under way', () => asked);
  await world.cli.SetSuspended({ suspended: true, requester: 'root' });
  goOn();
  await eventually('it says so', async () =>
    /suspended by root/.test((await dump()).waiting[0]?.reasons[0] ?? ''),
  );
  expect((await dump()).grants).toEqual([]);
  await world.cli.SetSuspended({ suspended: false, requester: 'root' });
  expect((await world.granted(1)).attempt).toEqual(attempt(1));
});

test('a drive that two media servers share is given once, and freed by the one that has it', async () => {
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const grant = await world.granted(1);
  await world.asNbjm.RequestResources(request(2));
  const other = (await world.bus.as({ service: 'ltid', host: 'media2' })).client('nbrb');
  // The other host has nothing in it: that says nothing about the one that has.
  await other.ReportDrives({ host: 'media2', drives: [{ drive: 'd0' }] });
  expect(await dump()).toMatchObject({ grants: [{ state: 'active' }], unknown: [] });
  expect(world.nbjm.requests('ResourcesGranted')).toHaveLength(1);

  const stranger = { attempt: { jobId: 9n, try: 1, step: 0 }, grantId: 'old', epoch: 1n };
  world.mounts = [];
  await world.asNbjm.ReleaseGrant({ grant: ref(grant) });
  const second = await world.granted(2);
  await world.asNbjm.ReleaseGrant({ grant: ref(second) });
  await eventually('the drive is free', async () => (await dump()).grants.length === 0);
  // It has something in the drive that nobody here knows of: only its own word makes the drive free again.
  await other.ReportDrives({ host: 'media2', drives: [{ drive: 'd0', holder: stranger }] });
  await world.asNbjm.RequestResources(request(3));
  await eventually('the host that has it is the reason', async () =>
    world.nbjm.requests('ResourcesWaiting').some(({ reason }) => reason.includes('media2')),
  );
  await world.asLtid.ReportDrives({ host: 'media1', drives: [{ drive: 'd0' }] });
  expect((await dump()).unknown).toMatchObject([{ kind: 'drive', name: 'd0' }]);
  await other.ReportDrives({ host: 'media2', drives: [{ drive: 'd0' }] });
  await world.granted(3);
});
