// Backups onto a disk storage unit through every daemon as its own process: back up, restore, compare; a drive process
// or bptm that is killed leaves neither an image nor a file.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFileDisk } from '@tapestry/storage';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { makeTree } from '../../demo/tree.ts';
import { holdMidStream } from './mid-stream.ts';
import { HOST, POLICY, type Site, startSite } from './site.ts';

const single = 'zz-alone';
let site: Site;
let dir: string;

beforeAll(async () => {
  site = await startSite({
    env: { nbpem: { NBPEM_TRIES_MAX: '1' }, bptm: { BPTM_DISK_REPORT_EVERY_MS: '1000' } },
  });
  makeTree(site.source, { files: 60, bytes: 10_000_000 });
  writeFileSync(join(site.source, single), 'alone');
  dir = join(site.dir, 'unit');
  await createFileDisk(dir);
  const unit = { label: 'disk1', type: 'Disk', mediaServer: HOST, path: dir, maxFragmentMb: 50n };
  await site.bus.client('nbemm').AddStorageUnit({ unit: { ...unit, maxDrives: 2 } });
  const db = site.bus.client('bpdbm');
  const { policy } = await db.GetPolicy({ name: POLICY });
  await db.UpdatePolicy({ policy: { ...policy, residence: 'disk1' } });
});

afterAll(() => site?.stop());

const files = (): string[] => readdirSync(dir).filter((file) => !file.startsWith('disk.sqlite'));

test('what was saved on disk comes back byte for byte, whole and one file alone', async () => {
  const backup = await site.ended(await site.backup());
  expect(backup.status, await site.details(backup.jobId)).toBe(0);
  await site.nothingHeld();
  expect(files()).toHaveLength(1);
  const restore = await site.ended(await site.restore(['/data']));
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(compareTrees(site.source, site.restored).differences).toEqual([]);
  const one = await site.ended(
    await site.restore([`/data/${single}`], { from: '/data', to: '/restore/single' }),
  );
  expect(one.status, await site.details(one.jobId)).toBe(0);
  expect(readFileSync(join(site.restored, 'single', single), 'utf8')).toBe('alone');
  expect(readdirSync(join(site.restored, 'single'))).toEqual([single]);
  const { images } = await site.bus.client('bpdbm').ListImages({ policy: POLICY });
  expect(images[0]?.fragments[0]).toMatchObject({ mediaId: 'disk1', density: '' });
  await site.nothingHeld();
}, 180_000);

test('bptm killed in the middle leaves no image and no file', async () => {
  const before = files();
  const held = await holdMidStream(site);
  await eventually('a file on the disk', async () => files().length > before.length || undefined);
  process.kill(site.system.child('bptm').pid!, 'SIGKILL');
  held.release();
  const row = await site.ended(held.jobId);
  expect(row.status, await site.details(held.jobId)).not.toBe(0);
  await site.nothingHeld();
  await eventually('the space back', async () => files().length === before.length || undefined);
}, 240_000);
