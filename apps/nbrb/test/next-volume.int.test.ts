// An image that goes on upon another volume, under the grant that it has.

import type { Grant } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { eventually } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { attempt, mounted, ref, request, withNbrb } from './fixture.ts';

const world = withNbrb();

const bptm = async () =>
  (await world.bus.as({ service: 'bptm', host: 'media1' })).client('nbrb', undefined);

/** Asked until it is had. */
async function next(grant: Grant, number: number, more: object = {}): Promise<string> {
  const client = await bptm();
  return await eventually(`volume ${number}`, async () => {
    const { volume } = await client.NextVolume({ grant: ref(grant), number, ...more });
    return volume?.mediaId;
  });
}

async function dump() {
  return await world.cli.Dump({});
}

/** What the host reports of its drive, and asks that of nbrb. */
async function report(grant: Grant, mediaId: string, ready = true): Promise<void> {
  const drive = { drive: grant.drive!.name, holder: ref(grant), mediaId, ready };
  await world.asLtid.ReportDrives({ host: 'media1', drives: [drive] });
}

test('a write goes on upon a fresh volume; the one before is free once the next is in the drive', async () => {
  world.drives = ['d0', 'd1'];
  world.volumes = ['A00001', 'A00002'];
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const grant = await world.granted(1);
  world.mounts = [mounted(grant)];
  expect(await next(grant, 1)).toBe('A00002');
  expect(await next(grant, 1)).toBe('A00002');
  expect((await dump()).grants).toMatchObject([
    { grant: { volume: { mediaId: 'A00002' }, volumeNumber: 1, epoch: grant.epoch } },
  ]);
  await world.asNbjm.RequestResources(request(2, { mode: 'DRIVE_MODE_READ', mediaId: 'A00001' }));
  await report(grant, 'A00001');
  await report(grant, 'A00002', false);
  const { reason } = await world.nbjm.waitFor('ResourcesWaiting');
  expect(reason).toContain('volume A00001 is held by job 1');
  await report(grant, 'A00002');
  expect((await world.granted(2)).volume?.mediaId).toBe('A00001');
});

test('a scratch volume is assigned first; all that was taken for the grant goes back with it', async () => {
  world.volumes = ['A00001', 'A00002', 'A00003'];
  world.needsAssign = true;
  let changed = 0;
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const grant = await world.granted(1);
  world.nbemm.answer({
    AssignVolume: async ({ mediaId }) => {
      changed += 1;
      if (changed === 1) throw new StatusError('conflict', 'changed');
      return { volume: { mediaId, assignedMs: 9n } };
    },
  });
  expect(await next(grant, 1)).toBe('A00002');
  expect(changed).toBe(2);
  await world.asNbjm.ReleaseGrant({ grant: ref(grant) });
  await eventually('all is free', async () => (await dump()).grants.length === 0);
  await world.nbemm.waitFor('UnassignVolume', { count: 2 });
  const back = world.nbemm.requests('UnassignVolume').map(({ mediaId }) => mediaId);
  expect(back.sort()).toEqual(['A00001', 'A00002']);
});

test('who must wait hears why, and an old grant, number or stranger is refused', async () => {
  world.drives = ['d0', 'd1'];
  world.volumes = ['A00001', 'A00002'];
  await world.start();
  await world.asNbjm.RequestResources(request(1, { mode: 'DRIVE_MODE_READ', mediaId: 'A00001' }));
  await world.asNbjm.RequestResources(request(2, { mode: 'DRIVE_MODE_READ', mediaId: 'A00002' }));
  const [one, two] = [await world.granted(1), await world.granted(2)];
  const client = await bptm();
  const ask = (number: number, mediaId = 'A00002', grant = ref(one)) =>
    client.NextVolume({ grant, number, mediaId });
  expect((await ask(1)).reasons).toEqual(['volume A00002 is held by job 2']);
  await world.asNbjm.ReleaseGrant({ grant: ref(two) });
  expect(await next(one, 1, { mediaId: 'A00002' })).toBe('A00002');
  // Back to where it was, before its host has told of the exchange.
  expect(await next(one, 2, { mediaId: 'A00001' })).toBe('A00001');
  await expect(ask(1)).rejects.toMatchObject({ status: 'staleGrant' });
  await expect(ask(4)).rejects.toMatchObject({ status: 'staleGrant' });
  const old = { ...ref(one), epoch: one.epoch - 1n };
  await expect(ask(3, 'A00002', old)).rejects.toMatchObject({ status: 'staleGrant' });
  await world.asNbjm.WithdrawRequest({ attempt: attempt(1) });
  await expect(ask(3)).rejects.toMatchObject({ status: 'staleGrant' });
});

test('what was chosen when nbrb died is what the next life answers', async () => {
  world.volumes = ['A00001', 'A00002', 'A00003'];
  world.needsAssign = true;
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  const grant = await world.granted(1);
  world.nbemm.answer({
    AssignVolume: async () => {
      throw new StatusError('databaseError', 'not now');
    },
  });
  const client = await bptm();
  const waits = await client.NextVolume({ grant: ref(grant), number: 1 });
  expect(waits.reasons).toEqual(['volume A00002 is being assigned']);
  await world.stop();
  world.nbemm.answer({
    AssignVolume: async ({ mediaId }) => ({ volume: { mediaId, assignedMs: 9n } }),
  });
  world.volumes = ['A00003', 'A00002', 'A00001'];
  await world.start();
  expect(await next(grant, 1)).toBe('A00002');
});
