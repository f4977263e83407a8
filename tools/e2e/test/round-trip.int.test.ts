// The main job through every daemon as its own process: back up, list, restore, compare.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { makeTree } from '../../demo/tree.ts';
import { type Site, startSite } from './site.ts';

let site: Site;

beforeAll(async () => {
  site = await startSite();
  makeTree(site.source, { files: 300, bytes: 30_000_000 });
}, 120_000);

afterAll(() => site?.stop());

test('what bpbackup saved comes back byte for byte, and nothing stays held', async () => {
  const backup = await site.ended(await site.backup());
  expect(backup.status, await site.details(backup.jobId)).toBe(0);
  expect(Number(backup.files)).toBeGreaterThan(300);
  await site.nothingHeld();
  const restore = await site.ended(await site.restore(['/data']));
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(compareTrees(site.source, site.restored).differences).toEqual([]);
  await site.nothingHeld();
}, 180_000);
