// bpdbm as its own process, killed at every step of a cleanup: a step that was done is not told, so the next start does it
// again, under the same job, and comes to the same end.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, type FakeService, fakeService } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliver, fragment, makeList, newAttempt, open, resultOf, withBpdbm } from './fixture.ts';

const world = withBpdbm();
let child: ChildProcess | undefined;
let nbemm: FakeService<'nbemm'>;
let nbrb: FakeService<'nbrb'>;
let bptm: FakeService<'bptm'>;
const onDisk = new Set<string>();
const assigned = new Map<string, string[]>();
const done = new Map<bigint, number>();

/** What hangs until the end of the test. */
let letGo = (): void => {};
const hangs = new Promise<object>((resolve) => {
  letGo = () => resolve({});
});

const answers = {
  nbjm: {
    BeginTask: async () => ({ jobId: 77n }),
    ListImagesRead: async () => ({}),
    EndTask: async ({ jobId, status }: { jobId: bigint; status: { code: number } | null }) => {
      done.set(jobId, status?.code ?? -1);
      return {};
    },
  },
  nbemm: {
    ListStorageUnits: async () => ({
      units: [{ label: 'disk1', type: 'Disk', mediaServer: 'media1' }],
    }),
    ListVolumes: async () => ({
      volumes: [...assigned.keys()].map((mediaId) => ({ volume: { mediaId } })),
    }),
    ListVolumeImages: async ({ mediaIds }: { mediaIds: string[] }) => ({
      volumes: mediaIds.map((mediaId) => {
        const backupIds = assigned.get(mediaId) ?? [];
        return { mediaId, version: 1n, assignedMs: assigned.has(mediaId) ? 1n : 0n, backupIds };
      }),
    }),
    RecordContents: async () => ({}),
  },
  nbrb: {
    ReturnVolume: async ({ mediaId }: { mediaId: string }) => {
      assigned.delete(mediaId);
      return {};
    },
  },
  bptm: {
    DeleteDiskImages: async ({ images }: { images: { backupId: string }[] }) => {
      for (const { backupId } of images) onDisk.delete(backupId);
      return {};
    },
    ListDiskImages: async () => ({
      images: [...onDisk].map((backupId) => ({ backupId, copy: 1 })),
    }),
  },
};

/** Each step does its work, and the answer is lost with the process that asked. */
const STEPS = [
  ['nbjm', 'BeginTask'],
  ['nbjm', 'ListImagesRead'],
  ['bptm', 'DeleteDiskImages'],
  ['nbemm', 'ListVolumeImages'],
  ['nbrb', 'ReturnVolume'],
  ['bptm', 'ListDiskImages'],
  ['nbjm', 'EndTask'],
] as const;

beforeAll(async () => {
  const { bus } = world;
  const host = { service: 'bptm', host: 'media1' } as const;
  nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', answers.nbemm);
  nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', answers.nbrb);
  bptm = await fakeService(await bus.as(host), 'bptm', answers.bptm);
  world.nbjm.answer({ ...answers.nbjm, CheckAttempts: async () => ({}) });
});

afterAll(async () => {
  letGo();
  await kill();
  await Promise.all([nbemm?.stop(), nbrb?.stop(), bptm?.stop()]);
});

async function startProcess(): Promise<void> {
  const passwordFile = join(world.stateDir, 'password');
  writeFileSync(passwordFile, world.bus.passwordOf({ service: 'bpdbm' }));
  child = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
    env: {
      PATH: process.env.PATH,
      TAPESTRY_NATS_URL: world.bus.url,
      TAPESTRY_NATS_PASSWORD_FILE: passwordFile,
      TAPESTRY_STATE_DIR: world.stateDir,
      TAPESTRY_DATABASE_URL: world.databaseUrl,
      // The instance that a supervisor starts again leads again at once.
      TAPESTRY_INSTANCE: 'bpdbm-1',
      TAPESTRY_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function kill(): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function backUp(path: string, mediaId: string): Promise<string> {
  const attempt = newAttempt();
  const image = await open(world, attempt, { client: 'crash', path, retentionLevel: 25 });
  const list = await makeList(path, ['x']);
  await deliver(world, attempt, image.backupId, list);
  const layout = mediaId === 'disk1' ? 'FRAGMENT_LAYOUT_DISK' : 'FRAGMENT_LAYOUT_BLOCKS';
  const fragments = [fragment({ mediaId, layout })];
  await world.asNbjm.ValidateImage({ attempt, result: resultOf(image, list, { fragments }) });
  return image.backupId;
}

test('killed at each step, the cleanup goes on at the next start and leaves nothing behind', async () => {
  onDisk.add(await backUp('/disk', 'disk1'));
  // A leftover of an attempt that came to nothing, so that the last look at the disk has work.
  const attempt = newAttempt();
  const failed = await open(world, attempt, { client: 'crash', path: '/failed' });
  await world.asNbjm.AbandonImage({ attempt, backupId: failed.backupId });
  assigned.set('A00001', [await backUp('/tape', 'A00001')]);
  await world.stop();
  const fakes = { nbjm: world.nbjm, nbemm, nbrb, bptm };
  let asked = false;
  for (const [service, method] of STEPS) {
    const fake = fakes[service] as FakeService<'nbjm'>;
    const usual = answers[service] as Record<string, (request: never) => Promise<object>>;
    let reached = false;
    const lost = async (request: never) => {
      await usual[method]!(request);
      reached = true;
      return await hangs;
    };
    fake.answer({ ...usual, CheckAttempts: async () => ({}), [method]: lost });
    await startProcess();
    if (!asked) {
      asked = true;
      void eventually('a cleanup is asked for', async () => {
        await world.cli.CleanUpImages({ requester: 'root' }, { deadlineMs: 2_000 });
        return true;
      }).catch(() => {});
    }
    await eventually(`${method} is reached`, () => reached, 60_000);
    await kill();
    fake.answer({ ...usual, CheckAttempts: async () => ({}) });
  }
  await startProcess();
  await eventually('the end of the job', () => world.nbjm.requests('EndTask').length > 1, 60_000);
  expect(done).toEqual(new Map([[77n, 0]]));
  const keys = world.nbjm.requests('BeginTask').map(({ key }) => key);
  expect(new Set(keys).size).toBe(1);
  expect(onDisk.size).toBe(0);
  expect(assigned.size).toBe(0);
  const folder = join(world.stateDir, 'bpdbm', 'file-lists', 'crash');
  expect(readdirSync(folder)).toEqual([]);
  const { images } = await world.cli.ListImages({ client: 'crash', provisionalToo: true });
  expect(images).toEqual([]);
}, 180_000);
