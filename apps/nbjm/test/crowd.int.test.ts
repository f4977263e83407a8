// Many jobs at once: none is lost, none is done twice.

import { codec } from '@tapestry/contracts';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BACKUP, goodRun, makeWorld, refOf, type World } from './world.ts';

let world: World;
let daemon: { stop(): Promise<void> };

beforeAll(async () => {
  world = await makeWorld();
  daemon = await world.start({ NBJM_RECONCILE_MS: '200', NBJM_STOP_DEADLINE_MS: '600' });
});

afterAll(async () => {
  await daemon?.stop();
  await world?.stop();
});

const submit = async (key: string) => (await world.asNbpem.SubmitJob({ key, job: BACKUP })).jobId;

test('two hundred short jobs at once all get through', async () => {
  const later = (work: Promise<unknown>) => void work.catch(() => undefined);
  world.nbrb.answer({
    RequestResources: async (request) => {
      const grant = world.grant(request, `many${request.attempt?.jobId}`);
      later(world.asNbrb.ResourcesGranted({ grant }));
      return {};
    },
  });
  world.bpcd.answer({
    Start: async ({ runSpec }) => {
      const { grant, image } = codec('RunSpec').decode(runSpec);
      const result = goodRun(image!.backupId);
      later(world.asBpbrm.RunEnded({ grant: refOf(grant!), result }));
      return {};
    },
  });
  const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => submit(`key${i}`)));
  expect(new Set(ids).size).toBe(200);
  const isDone = (id: bigint) => world.rows.get(id)?.state === 'JOB_STATE_DONE';
  await eventually('the end of all', () => ids.every(isDone), 200_000);
  for (const id of ids) expect(world.rows.get(id)).toMatchObject({ status: 0, try: 1 });
}, 240_000);
