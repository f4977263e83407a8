// The main job with a filer that cannot connect to the media server: told so by a setting, and found out by itself.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { makeTree } from '../../demo/tree.ts';
import { addPolicy, type Site, startSite } from './site.ts';

let folder: string;
let site: Site;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tapestry-listening-'));
  const filers = join(folder, 'filers.json');
  writeFileSync(filers, JSON.stringify({ hosts: { filer1: { dataConnection: 'listen' } } }));
  site = await startSite({
    env: {
      ndmpagent: { NDMPAGENT_FILERS_FILE: filers },
      // Filers are sent to an address at which nobody listens.
      bptm: { BPTM_DATA_HOST: '127.0.0.9', BPTM_BIND_HOST: '127.0.0.1' },
    },
  });
  makeTree(site.source, { files: 100, bytes: 20_000_000 });
  const { host: address, port, user, password } = site.filer;
  const emm = site.bus.client('nbemm');
  await emm.AddNdmpHost({ name: 'filer2', address, port, user, password, auth: 'md5' });
  await addPolicy(site.bus, 'second', ['/data'], { client: 'filer2' });
});

afterAll(async () => {
  await site?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a filer that is set to listen: all comes back, single files by direct access', async () => {
  const backup = await site.ended(await site.backup());
  expect(backup.status, await site.details(backup.jobId)).toBe(0);
  const told = await site.details(backup.jobId);
  expect(told).toMatch(
    /ndmpagent: data: filer1 listens at 127\.0\.0\.1 port \d+.*; set for filer1/,
  );
  expect(told).toMatch(/bptm: connected to the filer at 127\.0\.0\.1 port \d+; begin writing/);
  await site.nothingHeld();

  const restore = await site.ended(await site.restore(['/data']));
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(compareTrees(site.source, site.restored).differences).toEqual([]);
  await site.nothingHeld();

  mkdirSync(join(site.source, 'late'));
  writeFileSync(join(site.source, 'late', 'one.txt'), 'one file');
  const again = await site.ended(await site.backup({ schedule: 'incr' }));
  expect(again.status, await site.details(again.jobId)).toBe(0);
  const single = await site.ended(await site.restore(['/data/late/one.txt']));
  const details = await site.details(single.jobId);
  expect(single.status, details).toBe(0);
  expect(details).toMatch(/direct access/);
  expect(readFileSync(join(site.restored, 'late', 'one.txt'), 'utf8')).toBe('one file');
  await site.nothingHeld();
}, 180_000);

test('a filer of which nothing is said is asked to listen when it cannot connect', async () => {
  const { jobIds } = await site.bus.client('bprd').SubmitBackup({
    ...{ requestId: 'second', requester: { user: 'test', host: 'test' }, client: 'filer2' },
    ...{ policy: 'second', schedule: 'full' },
  });
  const backup = await site.ended(jobIds[0]!);
  const told = await site.details(backup.jobId);
  expect(backup.status, told).toBe(0);
  expect(told).toMatch(/filer2 connects to this media server at 127\.0\.0\.9 port \d+; usual for/);
  expect(told).toMatch(/dataConnect connect.*: trying it the other way round/);
  expect(told).toMatch(/filer2 listens at .*; filer2 refused the other way/);
  await site.nothingHeld();
}, 180_000);
