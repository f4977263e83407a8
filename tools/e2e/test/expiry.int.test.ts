// Images that expire, through every daemon as its own process: files and volumes go when nothing needs them, a restore
// and a kill in between notwithstanding.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createFileDisk } from '@tapestry/storage';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { makeTree } from '../../demo/tree.ts';
import { addPolicy, HOST, POLICY, type Site, startSite } from './site.ts';

let site: Site;
let dir: string;

beforeAll(async () => {
  site = await startSite({
    env: { nbpem: { NBPEM_TRIES_MAX: '1' }, bptm: { BPTM_DISK_REPORT_EVERY_MS: '1000' } },
  });
  makeTree(site.source, { files: 40, bytes: 4_000_000 });
  makeTree(join(site.source, 'disk'), { files: 10, bytes: 1_000_000 });
  dir = join(site.dir, 'unit');
  await createFileDisk(dir);
  const nbemm = site.bus.client('nbemm');
  const unit = { label: 'disk1', type: 'Disk', mediaServer: HOST, path: dir, maxFragmentMb: 50n };
  await nbemm.AddStorageUnit({ unit: { ...unit, maxDrives: 2 } });
  // All volumes come from, and go back to, a scratch pool.
  await nbemm.AddPool({ name: 'Spare', scratch: true });
  const { volumes } = await nbemm.ListVolumes({});
  const mediaIds = volumes.map(({ volume }) => volume!.mediaId);
  await nbemm.ChangeVolumes({ mediaIds, change: { pool: 'Spare' }, set: ['pool'] });
  await addPolicy(site.bus, 'ondisk', ['/data/disk']);
  const db = site.bus.client('bpdbm');
  const { policy } = await db.GetPolicy({ name: 'ondisk' });
  await db.UpdatePolicy({ policy: { ...policy, residence: 'disk1' } });
});

afterAll(() => site?.stop());

async function backedUp(policy: string): Promise<string> {
  const row = await site.ended(await site.backup({ policy }));
  expect(row.status, await site.details(row.jobId)).toBe(0);
  return row.backupId;
}

const expire = (backupId: string) =>
  site.bus.client('bpdbm').ChangeExpiration({ backupId, expirationS: 1n, requester: 'test' });

/** Asked until bpdbm is there; the job goes on at its next start if it is killed. */
async function cleanUp(): Promise<bigint> {
  const asked = await eventually('a cleanup', async () =>
    site.bus.client('bpdbm').CleanUpImages({ requester: 'test' }),
  );
  return asked.jobId;
}

async function assigned(): Promise<string[]> {
  const { volumes } = await site.bus.client('nbemm').ListVolumes({ assignedOnly: true });
  return volumes.map(({ volume }) => volume!.mediaId);
}

const images = () => readdirSync(dir).filter((file) => file.endsWith('.img'));

test('a restore keeps its image and volume; then both go, and the volume is written anew', async () => {
  const backupId = await backedUp(POLICY);
  const [mediaId] = await assigned();
  const restoring = await site.restore(['/data']);
  await expire(backupId);
  const early = await site.ended(await cleanUp());
  expect(await site.details(early.jobId)).toMatch(/stays for now/);
  expect(await assigned()).toEqual([mediaId]);
  const restored = await site.ended(restoring);
  expect(restored.status, await site.details(restoring)).toBe(0);
  expect(compareTrees(site.source, site.restored).differences).toEqual([]);
  await site.nothingHeld();

  // What a restore was just planned with stays a minute longer: bpdbm is asked until that is over.
  await eventually(
    'the volume is free',
    async () => {
      await site.ended(await cleanUp());
      return (await assigned()).length === 0;
    },
    180_000,
  );
  const { volumes } = await site.bus.client('nbemm').ListVolumes({ mediaId: mediaId! });
  expect(volumes[0]).toMatchObject({ images: 0, volume: { pool: 'Spare', assignedMs: 0n } });
  // Only this volume is left: it is labelled again, over what was on it.
  const nbemm = site.bus.client('nbemm');
  for (const { volume } of (await nbemm.ListVolumes({})).volumes) {
    const other = volume!.mediaId;
    if (other !== mediaId) await nbemm.SetVolumeStatus({ mediaId: other, action: 'freeze' });
  }
  await backedUp(POLICY);
  expect(await assigned()).toEqual([mediaId]);
}, 300_000);

test('on disk the files go, although bpdbm and bptm are killed while the cleanup runs', async () => {
  const ids = [await backedUp('ondisk'), await backedUp('ondisk')];
  expect(images()).toHaveLength(2);
  for (const backupId of ids) await expire(backupId);
  const jobId = await cleanUp();
  for (const name of ['bpdbm', 'bptm'] as const) {
    process.kill(site.system.child(name).pid!, 'SIGKILL');
  }
  const row = await site.ended(jobId);
  // bptm may have been away just then: what it still has goes with the next cleanup.
  expect([0, 1], await site.details(jobId)).toContain(row.status);
  await eventually(
    'the files are gone',
    async () => {
      const last = await site.ended(await cleanUp());
      return last.status === 0 && images().length === 0;
    },
    120_000,
  );
  const { images: known } = await site.bus.client('bpdbm').ListImages({ policy: 'ondisk' });
  expect(known).toEqual([]);
}, 240_000);
