// An image upon five small volumes, written by bptm; and an image that finds no other volume.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addPolicy, type JobRow, type Site, startSite, writeNoise } from './site.ts';
import { CAPACITY_BYTES, spanAndComeBack, writeLargeTree } from './spanning-kit.ts';

const WAITS_AT_MOST_MS = 120_000;

let site: Site;

beforeAll(async () => {
  site = await startSite({
    ...{ drives: 1, cartridges: 8, capacityBytes: CAPACITY_BYTES },
    env: { nbpem: { NBPEM_TRIES_MAX: '1' }, bptm: { BPTM_NEXT_VOLUME_TIMEOUT_MS: '20000' } },
  });
  writeLargeTree(site.source);
  await addPolicy(site.bus, 'rest', ['/data/rest']);
});

afterAll(() => site?.stop());

test('an image goes on from volume to volume, and comes back whole and by the file', async () => {
  const { source, restored } = site;
  await spanAndComeBack({ site, client: 'filer1', policy: 'nas', source, restored });
}, 300_000);

/** More than the volumes that are left. */
async function startTooLarge(): Promise<bigint> {
  const folder = join(site.source, 'rest');
  mkdirSync(folder, { recursive: true });
  writeNoise(join(folder, 'file'), 30_000_000);
  const jobId = await site.backup({ policy: 'rest' });
  await eventually(
    'it waits for another volume',
    async () => /waiting for another volume/.test(await site.details(jobId)),
    WAITS_AT_MOST_MS,
  );
  return jobId;
}

/** What its fragments were written on is full, and free again for nobody but a reader. */
async function expectGivenBack(row: JobRow, status: number): Promise<void> {
  const details = await site.details(row.jobId);
  expect(row.status, details).toBe(status);
  await site.nothingHeld();
  const { images } = await site.bus.client('bpdbm').ListImages({ policy: 'rest' });
  expect(images).toEqual([]);
}

test('without another volume it waits for so long, and then ends with 96 and why', async () => {
  const jobId = await startTooLarge();
  const row = await site.ended(jobId);
  await expectGivenBack(row, 96);
  expect(await site.details(jobId)).toMatch(/no other volume of pool Test fits.*FULL/);
}, 300_000);
