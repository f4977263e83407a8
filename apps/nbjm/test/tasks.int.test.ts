import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, OK, type World } from './world.ts';

let world: World;
let daemon: { stop(): Promise<void> };

beforeAll(async () => {
  world = await makeWorld();
  daemon = await world.start();
});

afterAll(async () => {
  await daemon?.stop();
  await world?.stop();
});

const asBpdbm = async () => (await world.bus.as({ service: 'bpdbm' })).client('nbjm');

const RESTORE = {
  ...{ type: 'JOB_TYPE_RESTORE' as const, client: 'filer1' },
  restore: {
    destClient: 'filer1',
    steps: [
      { backupId: 'filer1_1', fragments: [{ number: 1, mediaId: 'A00001' }] },
      { backupId: 'filer1_2', fragments: [{ number: 1, mediaId: 'A00001' }] },
    ],
  },
};

test('a task has a job id and is shown until it ends, and a repeat changes nothing', async () => {
  const nbjm = await asBpdbm();
  const begin = { key: 'cleanup/1', type: 'JOB_TYPE_IMAGE_CLEANUP' as const, owner: 'root' };
  const { jobId } = await nbjm.BeginTask(begin);
  expect(await nbjm.BeginTask(begin)).toEqual({ jobId });
  const row = await world.row(jobId, 'is active', ({ state }) => state === 'JOB_STATE_ACTIVE');
  expect(row).toMatchObject({ type: 'JOB_TYPE_IMAGE_CLEANUP', owner: 'root' });
  await expect(world.asCli.CancelJob({ jobId })).rejects.toThrow(/ends by itself/);

  const partial = { ...OK, code: 1, name: 'partial', detail: 'one image stays' };
  await nbjm.EndTask({ jobId, status: partial, files: 3n });
  await nbjm.EndTask({ jobId, status: OK });
  const done = await world.row(jobId, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  expect(done).toMatchObject({ status: 1, statusText: 'one image stays', files: 3n });
  await expect(nbjm.EndTask({ jobId: 99n })).rejects.toThrow(/805/);
});

test('a restore that is not done names the images that it reads', async () => {
  const asBprd = (await world.bus.as({ service: 'bprd' })).client('nbjm');
  const { jobId } = await asBprd.SubmitJob({ key: 'restore', job: RESTORE });
  const nbjm = await asBpdbm();
  expect((await nbjm.ListImagesRead({})).backupIds.sort()).toEqual(['filer1_1', 'filer1_2']);
  await world.asCli.CancelJob({ jobId });
  await world.row(jobId, 'is done', ({ state }) => state === 'JOB_STATE_DONE');
  expect((await nbjm.ListImagesRead({})).backupIds).toEqual([]);
});
