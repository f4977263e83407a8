import { StatusError } from '@tapestry/status';
import { eventually, fakeService } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { ref, request, withNbrb } from './fixture.ts';

const world = withNbrb();

const asBpdbm = async () => (await world.bus.as({ service: 'bpdbm' })).client('nbrb');
const RETURN = { mediaId: 'A00001', volumeVersion: 4n };

/** nbemm's answer to DeassignVolume, and what the usual fake answers to the rest. */
async function answerDeassign(answer: () => Promise<object>): Promise<void> {
  await world.nbemm.stop();
  const { volumes, drives } = world;
  world.nbemm = await fakeService(await world.bus.as({ service: 'nbemm' }), 'nbemm', {
    DeassignVolume: answer,
    Evaluate: async () => ({
      choices: [
        {
          ...{ storageUnit: 'unit1', mediaServer: 'media1', maxDrives: 9, maxMpx: 1 },
          drives: drives.map((name) => ({ name, mediaServer: 'media1' })),
          volumes: volumes.map((mediaId) => ({ volume: { mediaId }, version: 1n })),
        },
      ],
    }),
  });
}

test('a volume goes back to its pool unless it is granted, or a job waits to read it', async () => {
  await answerDeassign(async () => ({}));
  await world.start();
  const bpdbm = await asBpdbm();
  await world.asNbjm.RequestResources(request(1));
  const grant = await world.granted(1);
  await expect(bpdbm.ReturnVolume(RETURN)).rejects.toThrow(/97.*job 1 has it/);
  expect(world.nbemm.requests('DeassignVolume')).toEqual([]);

  const read = { mode: 'DRIVE_MODE_READ' as const, mediaId: 'A00002' };
  await world.asNbjm.RequestResources(request(2, read));
  const other = { ...RETURN, mediaId: 'A00002' };
  await expect(bpdbm.ReturnVolume(other)).rejects.toThrow(/97.*job 2 waits to read it/);

  await world.asNbjm.WithdrawRequest({ attempt: request(2).attempt });
  await world.asNbjm.ReleaseGrant({ grant: ref(grant) });
  await eventually('the drive is free', async () => (await world.cli.Dump({})).grants.length === 0);
  await bpdbm.ReturnVolume(RETURN);
  await bpdbm.ReturnVolume(other);
  expect(world.nbemm.requests('DeassignVolume')).toEqual([RETURN, other]);
  expect((await world.cli.Dump({})).unknown).toEqual([]);
});

test('nobody is granted a volume that is being given back, also when nbrb starts again', async () => {
  let answer = (): void => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let calls = 0;
  await answerDeassign(async () => {
    calls += 1;
    await asked;
    return {};
  });
  await world.start();
  const bpdbm = await asBpdbm();
  const first = bpdbm.ReturnVolume(RETURN).catch((error: unknown) => error);
  await eventually('nbemm is asked', () => calls === 1);
  await world.asNbjm.RequestResources(request(1));
  const { reason } = await world.nbjm.waitFor('ResourcesWaiting');
  expect(reason).toContain('is being given back');
  await world.stop();
  expect(await first).toBeInstanceOf(StatusError);

  await world.start();
  await eventually('nbemm is asked again', () => calls > 1);
  expect(world.nbjm.requests('ResourcesGranted')).toEqual([]);
  answer();
  expect((await world.granted(1)).volume?.mediaId).toBe('A00001');
});

test('a refusal of nbemm frees the volume, and is told', async () => {
  await answerDeassign(async () => {
    throw new StatusError('conflict', 'volume A00001 has changed');
  });
  await world.start();
  await expect((await asBpdbm()).ReturnVolume(RETURN)).rejects.toThrow(/224.*has changed/);
  await world.asNbjm.RequestResources(request(1));
  await world.granted(1);
});
