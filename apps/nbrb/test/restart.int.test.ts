// What nbrb makes, after its restart, of what it had granted and what had been asked before.

import { eventually, fakeService } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { attempt, mounted, ref, request, withNbrb } from './fixture.ts';

const world = withNbrb();

async function dump() {
  return await world.cli.Dump({});
}

test('after a restart: epochs rise, living grants stay, dead ones go, nothing is told twice', async () => {
  world.drives = ['d0', 'd1', 'd2'];
  world.volumes = ['A00001', 'A00002', 'A00003'];
  await world.start();
  for (const id of [1, 2]) await world.asNbjm.RequestResources(request(id));
  const [one, two] = [await world.granted(1), await world.granted(2)];
  world.drives = [];
  for (const id of [3, 4]) await world.asNbjm.RequestResources(request(id));
  await world.stop();
  world.over = new Set([2n, 3n]);
  world.mounts = [mounted(one)];
  world.drives = ['d0', 'd1', 'd2'];
  await world.start();
  const third = await world.granted(3);
  expect(third.attempt).toEqual(attempt(4));
  expect(third.epoch).toBeGreaterThan(two.epoch);
  await eventually('the dead grant is gone', async () => {
    const held = (await dump()).grants.map((each) => each.grant?.attempt?.jobId);
    return held.join() === '1,4';
  });
  expect((await dump()).waiting).toEqual([]);
  expect(world.nbjm.requests('ResourcesGranted')).toHaveLength(3);
});

test('a media server that does not answer at the start leaves its drives as they are', async () => {
  world.drives = ['d0', 'd1'];
  world.volumes = ['A00001', 'A00002'];
  await world.start();
  for (const id of [1, 2]) await world.asNbjm.RequestResources(request(id));
  const [one, two] = [await world.granted(1), await world.granted(2)];
  await world.stop();
  await world.ltid.stop();
  world.over = new Set([2n]);
  await world.start({ NBRB_RELEASE_WAIT_MS: '0' });
  await eventually('the dead one is unknown', async () => (await dump()).unknown.length === 2);
  const { unknown, grants } = await dump();
  expect(unknown[0]?.reason).toContain('could not confirm');
  expect(grants.map((each) => [each.grant?.grantId, each.state])).toEqual([
    [one.grantId, 'active'],
    [two.grantId, 'lost'],
  ]);
  expect((await world.asNbemm.CheckGrant({ grant: ref(one) })).valid).toBe(true);
});

test('a grant that was saved but not told before a crash is told by the next start', async () => {
  await world.nbjm.stop();
  await world.start();
  await world.asNbjm.RequestResources(request(1));
  await eventually('the grant is saved', async () => (await dump()).grants.length === 1);
  await world.stop();
  world.nbjm = await fakeService(await world.bus.as({ service: 'nbjm' }), 'nbjm', {
    ResourcesGranted: async () => ({}),
    CheckAttempts: async ({ attempts }) => ({
      states: attempts.map((each) => ({ attempt: each, live: true })),
    }),
  });
  await world.start();
  expect((await world.granted(1)).attempt).toEqual(attempt(1));
});
