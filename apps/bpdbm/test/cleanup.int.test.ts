// Expired images, with the media manager played by the test: what goes, what stays, and what a crash leaves.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { eventually, type FakeService, fakeService } from '@tapestry/testkit';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Backup,
  deliver,
  fragment,
  makeList,
  newAttempt,
  open,
  resultOf,
  withBpdbm,
} from './fixture.ts';

const world = withBpdbm();
let nbemm: FakeService<'nbemm'>;
let nbrb: FakeService<'nbrb'>;
let bptm: FakeService<'bptm'>;

/** What nbemm has: assigned volumes with every image ever closed on them. */
const volumes = new Map<string, { version: bigint; frozen: boolean; backupIds: string[] }>();
/** What lies on the disk storage unit. */
const onDisk = new Set<string>();
/** Images that restore jobs read. */
const read = new Set<string>();
/** Cleanups: how each ended. */
const ended = new Map<bigint, { code: number; files: bigint }>();
const held = new Set<string>();
let media1IsAway = false;

beforeAll(async () => {
  const { bus } = world;
  world.nbjm.answer({
    BeginTask: async ({ key }) => ({ jobId: jobOf(key) }),
    EndTask: async ({ jobId, status, files }) => {
      ended.set(jobId, { code: status?.code ?? -1, files });
      return {};
    },
    ListImagesRead: async () => ({ backupIds: [...read] }),
  });
  nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    ListStorageUnits: async () => ({
      units: [{ label: 'disk1', type: 'Disk', mediaServer: 'media1' }],
    }),
    ListVolumes: async ({ mediaId, afterMediaId }) => {
      const names = [...volumes.keys()].sort().filter((name) => name > afterMediaId);
      const chosen = names.filter((name) => mediaId === '' || name === mediaId);
      // A page has one volume.
      return {
        volumes: chosen.slice(0, 1).map((name) => ({
          ...{ volume: { mediaId: name }, statusBits: volumes.get(name)!.frozen ? 1 : 0 },
        })),
        more: chosen.length > 1,
      };
    },
    ListVolumeImages: async ({ mediaIds }) => ({
      volumes: mediaIds.flatMap((mediaId) => {
        const found = volumes.get(mediaId);
        return found === undefined ? [] : [{ mediaId, assignedMs: 1n, ...found }];
      }),
    }),
    RecordContents: async () => ({}),
  });
  nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
    ReturnVolume: async ({ mediaId }) => {
      if (held.has(mediaId)) throw new StatusError('mediaInUse', `job 5 has ${mediaId}`);
      volumes.delete(mediaId);
      return {};
    },
  });
  const host = { service: 'bptm', host: 'media1' } as const;
  bptm = await fakeService(await bus.as(host), 'bptm', {
    DeleteDiskImages: async ({ images }) => {
      if (media1IsAway) throw new StatusError('storageUnitMissing', 'disk1 is not mounted');
      for (const { backupId } of images) onDisk.delete(backupId);
      return { fragments: images.length };
    },
    ListDiskImages: async ({ afterBackupId }) => {
      const rest = [...onDisk].sort().filter((backupId) => backupId > afterBackupId);
      return {
        images: rest.slice(0, 2).map((backupId) => ({ backupId, copy: 1 })),
        more: rest.length > 2,
      };
    },
  });
});

afterAll(async () => {
  await Promise.all([nbemm?.stop(), nbrb?.stop(), bptm?.stop()]);
});

beforeEach(() => {
  for (const set of [volumes, onDisk, read, held]) set.clear();
  media1IsAway = false;
});

const jobs: string[] = [];

/** The same job for the same key. */
function jobOf(key: string): bigint {
  if (!jobs.includes(key)) jobs.push(key);
  return BigInt(jobs.indexOf(key) + 1);
}

const AT_ONCE = 25;

/** A whole backup on a volume, or on the disk storage unit. */
async function backUp(backup: Backup, mediaId: string) {
  const attempt = newAttempt();
  const image = await open(world, attempt, backup);
  const list = await makeList(backup.path, ['x']);
  await deliver(world, attempt, image.backupId, list);
  const layout = mediaId === 'disk1' ? 'FRAGMENT_LAYOUT_DISK' : 'FRAGMENT_LAYOUT_BLOCKS';
  const fragments = [fragment({ mediaId, layout })];
  const result = resultOf(image, list, { fragments });
  await world.asNbjm.ValidateImage({ attempt, result });
  written(mediaId, image.backupId);
  return { image, attempt, result, id: image.backupId };
}

function written(mediaId: string, backupId: string): void {
  if (mediaId === 'disk1') onDisk.add(backupId);
  else {
    const volume = volumes.get(mediaId) ?? { version: 1n, frozen: false, backupIds: [] };
    volumes.set(mediaId, { ...volume, backupIds: [...volume.backupIds, backupId] });
  }
}

async function cleanUp(storageUnit = '') {
  const { jobId } = await world.cli.CleanUpImages({ requester: 'root', storageUnit });
  return await eventually(`the end of cleanup ${jobId}`, () => ended.get(jobId));
}

const expire = (backupId: string) =>
  world.cli.ChangeExpiration({ backupId, expirationS: 1n, requester: 'root' });

async function ids(client: string): Promise<string[]> {
  const { images } = await world.cli.ListImages({ client });
  return images.map((image) => image.backupId);
}

function lists(client: string): number {
  return readdirSync(join(world.stateDir, 'bpdbm', 'file-lists', client)).length;
}

test('the last image of a volume gone, the volume goes back; another image keeps it', async () => {
  const first = await backUp({ client: 'tape', path: '/a' }, 'T00001');
  const second = await backUp({ client: 'tape', path: '/b' }, 'T00001');
  expect(lists('tape')).toBe(2);
  await expire(first.id);
  expect(await ids('tape')).toEqual([second.id]);
  expect(await cleanUp()).toEqual({ code: 0, files: 1n });
  expect(lists('tape')).toBe(1);
  expect(nbrb.requests('ReturnVolume')).toEqual([]);
  await expire(second.id);
  expect(await cleanUp()).toEqual({ code: 0, files: 1n });
  expect(nbrb.requests('ReturnVolume')).toEqual([{ mediaId: 'T00001', volumeVersion: 1n }]);
  expect(lists('tape')).toBe(0);
  await eventually('nbemm knows', () =>
    nbemm.requests('RecordContents').some((told) => told.validImages === 0),
  );
  // nbjm's call is still under way: it is answered, and brings nothing back.
  await world.asNbjm.ValidateImage({ attempt: second.attempt, result: second.result });
  expect(await cleanUp()).toEqual({ code: 0, files: 0n });
});

test('a volume that is held stays, and goes back with a later cleanup', async () => {
  const { id } = await backUp({ client: 'held', path: '/a', retentionLevel: AT_ONCE }, 'H00001');
  volumes.get('H00001')!.backupIds.push(id);
  held.add('H00001');
  expect(await cleanUp()).toEqual({ code: 0, files: 1n });
  expect([...volumes.keys()]).toEqual(['H00001']);
  held.clear();
  await cleanUp();
  expect([...volumes.keys()]).toEqual([]);
});

test('frozen volumes, unfinished backups and unknown images keep their volume', async () => {
  const gone = await backUp({ client: 'stay', path: '/a', retentionLevel: AT_ONCE }, 'S00001');
  volumes.get('S00001')!.frozen = true;
  const attempt = newAttempt();
  const running = await open(world, attempt, { client: 'stay', path: '/b' });
  written('S00002', running.backupId);
  written('S00003', 'stranger_1');
  written('S00003', gone.id);
  await cleanUp();
  expect([...volumes.keys()]).toEqual(['S00001', 'S00002', 'S00003']);

  // The backup fails: what it left is dead, and its volume is free.
  await world.asNbjm.AbandonImage({ attempt, backupId: running.backupId });
  await cleanUp();
  expect([...volumes.keys()]).toEqual(['S00001', 'S00003']);
  const reply = await world.cli.DeassignEmpty({ requester: 'root' });
  expect(reply).toMatchObject({ returned: ['S00003'], kept: [{ mediaId: 'S00001' }] });
});

test('an image that a restore reads, or was planned with, is not removed', async () => {
  const { id, image } = await backUp({ client: 'busy', path: '/a' }, 'B00001');
  const other = await backUp({ client: 'busy', path: '/b' }, 'B00002');
  const paths = [Buffer.from('/b/x')];
  await world.asBprd.PlanRestore({ client: 'busy', paths });
  read.add(id);
  await expire(id);
  await expire(other.id);
  expect((await cleanUp()).files).toBe(0n);
  expect(lists('busy')).toBe(2);
  expect(volumes.size).toBe(2);
  read.clear();
  expect((await cleanUp()).files).toBe(1n);
  expect([...volumes.keys()]).toEqual(['B00002']);
  expect(image.level).toBe(0);
});

test('a base stays while a backup builds on it; an expired full leaves its incrementals', async () => {
  const on = { client: 'chain', path: '/a' };
  const full = await backUp(on, 'C00001');
  const running = newAttempt();
  const next = await open(world, running, { ...on, type: 'INCR' });
  expect(next.baseBackupId).toBe(full.id);
  await expire(full.id);
  expect((await cleanUp()).files).toBe(0n);
  const list = await makeList('/a', ['y']);
  await deliver(world, running, next.backupId, list);
  const fragments = [fragment({ mediaId: 'C00001' })];
  await world.asNbjm.ValidateImage({
    attempt: running,
    result: resultOf(next, list, { fragments }),
  });
  expect((await cleanUp()).files).toBe(1n);
  expect(await ids('chain')).toEqual([next.backupId]);
  expect([...volumes.keys()]).toEqual(['C00001']);
  // It is there by its name, and the next incremental does not build on it.
  const alone = { client: 'chain', backupId: next.backupId, recursionDepth: 999 };
  const { files } = await world.cli.ListFiles(alone);
  expect(files.map((file) => Buffer.from(file.path).toString())).toContain('/a/y');
  const after = await open(world, newAttempt(), { ...on, type: 'INCR' });
  expect(after.level).toBe(0);
});

test('on disk the fragments go first: without them gone the image stays, until they are', async () => {
  const { id } = await backUp({ client: 'disk', path: '/a' }, 'disk1');
  const kept = await backUp({ client: 'disk', path: '/b' }, 'disk1');
  await expire(id);
  await world.cli.ChangeExpiration({ backupId: kept.id, expirationS: 1n, keepOnDisk: true });
  media1IsAway = true;
  expect((await cleanUp()).code).toBe(1);
  expect(await ids('disk')).toEqual([]);
  expect(onDisk.has(id)).toBe(true);
  // A restart in between changes nothing.
  await world.stop();
  await world.start();
  media1IsAway = false;
  expect(await cleanUp()).toEqual({ code: 0, files: 1n });
  expect([...onDisk]).toEqual([kept.id]);
});

test('leftovers of what the catalog knows to be gone are deleted, strangers are left', async () => {
  const attempt = newAttempt();
  const failed = await open(world, attempt, { client: 'orphan', path: '/a' });
  await world.asNbjm.AbandonImage({ attempt, backupId: failed.backupId });
  const fine = await backUp({ client: 'orphan', path: '/b' }, 'disk1');
  for (const id of [failed.backupId, 'lost_1', 'lost_2', 'lost_3']) onDisk.add(id);
  await cleanUp();
  expect([...onDisk].sort()).toEqual(['lost_1', 'lost_2', 'lost_3', fine.id]);
});

test('a full disk storage unit: only what has expired there, and no job for nothing', async () => {
  const asNbemm = (await world.bus.as({ service: 'nbemm' })).client('bpdbm');
  const full = () => asNbemm.CleanUpImages({ storageUnit: 'disk1', requester: 'mark' });
  const elsewhere = await backUp({ client: 'mark', path: '/a', retentionLevel: AT_ONCE }, 'M00001');
  expect(await full()).toEqual({ jobId: 0n });
  // Another client: a second image of the same one is dated a second later, and has not expired yet.
  await backUp({ client: 'mark2', path: '/b', retentionLevel: AT_ONCE }, 'disk1');
  const { jobId } = await full();
  const end = await eventually('the end', () => ended.get(jobId));
  expect(end).toEqual({ code: 0, files: 1n });
  expect(onDisk.size).toBe(0);
  expect(volumes.get('M00001')?.backupIds).toEqual([elsewhere.id]);
  expect(lists('mark')).toBe(1);
});

test('bpexpdate: by volume, recalculated, previewed; what has expired stays so', async () => {
  const a = await backUp({ client: 'exp', path: '/a', policy: 'exp' }, 'E00001');
  const b = await backUp({ client: 'exp', path: '/b', policy: 'exp' }, 'E00001');
  const far = 2_000_000_000n;
  const change = (more: object) => world.cli.ChangeExpiration({ requester: 'root', ...more });
  const preview = await change({ mediaId: 'E00001', expirationS: far, preview: true });
  expect(preview).toMatchObject({ count: 2n, images: [{ backupId: a.id }, { backupId: b.id }] });
  const expiry = async () =>
    (await world.cli.ListImages({ client: 'exp' })).images.map((image) => image.expirationS);
  expect(await expiry()).not.toContain(far);
  await change({ mediaId: 'E00001', expirationS: far });
  expect(await expiry()).toEqual([far, far]);
  await eventually('nbemm knows', () =>
    nbemm.requests('RecordContents').some((told) => told.expirationS === far),
  );
  const month = { policy: 'exp', recalculate: true, withRetentionLevel: true, retentionLevel: 3 };
  await change(month);
  expect(await expiry()).toEqual([b.image.expirationS, a.image.expirationS]);
  const ofSchedule = await change({ policy: 'exp', recalculate: true });
  expect(ofSchedule.unchanged).toHaveLength(2);
  await expire(a.id);
  await expect(change({ backupId: a.id, expirationS: far })).rejects.toThrow(/227/);
  await expect(change({ expirationS: far })).rejects.toThrow(/20/);
  await expect(change({ backupId: b.id, copy: 2, expirationS: far })).rejects.toThrow(/227/);
  expect(
    await change({ mediaId: 'E00001', mediaServer: 'media1', expirationS: far }),
  ).toMatchObject({ count: 1n });
});
