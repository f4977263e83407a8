// The main job through every daemon as its own process: back up, list, restore, compare.

import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { makeTree } from '../../demo/tree.ts';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  startNdmjob,
} from '../../peers/start-ndmjob.ts';
import { addPolicy, type Site, startSite } from './site.ts';

let site: Site;

beforeAll(async () => {
  site = await startSite();
  makeTree(site.source, { files: 300, bytes: 30_000_000 });
});

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

test('NDMJOB as the filer: back up, list, restore, compare', async (context) => {
  const reason = ndmjobUnavailable();
  if (reason !== undefined) context.skip(`no NDMJOB: ${reason}`);
  const folder = join(site.dir, 'peer-data');
  makePlainTree(folder);
  const peer = await startNdmjob({ dir: join(site.dir, 'ndmjob') });
  try {
    const [address = '', port = ''] = peer.address.split(':');
    const login = { user: NDMJOB_USER, password: NDMJOB_PASSWORD, auth: 'md5' };
    await site.bus
      .client('nbemm')
      .AddNdmpHost({ name: 'ndmjob1', address, port: Number(port), ...login });
    await addPolicy(site.bus, 'peer', [folder], { client: 'ndmjob1' });
    const requester = { user: 'test', host: 'test' };
    const bprd = site.bus.client('bprd');
    const { jobIds } = await bprd.SubmitBackup({
      ...{ requestId: 'peer', requester, policy: 'peer', schedule: 'full', client: 'ndmjob1' },
    });
    const backup = await site.ended(jobIds[0]!);
    expect(backup.status, await site.details(backup.jobId)).toBe(0);
    const { files } = await site.bus.client('bpdbm').ListFiles({
      ...{ client: 'ndmjob1', path: Buffer.from(folder), recursionDepth: 99, limit: 1_000 },
    });
    expect(files.map(({ path }) => Buffer.from(path).toString())).toContain(
      `${folder}/a/b/file-3.txt`,
    );
    const restored = join(site.dir, 'peer-restored');
    const { jobId } = await bprd.SubmitRestore({
      ...{ requestId: 'peer-back', requester, client: 'ndmjob1', paths: [Buffer.from(folder)] },
      renames: [{ from: Buffer.from(folder), to: Buffer.from(restored) }],
    });
    const restore = await site.ended(jobId);
    expect(restore.status, await site.details(jobId)).toBe(0);
    expect(compareTrees(folder, restored).differences).toEqual([]);
  } finally {
    await peer.stop();
  }
}, 180_000);

/** Whole seconds and no holes: what the peer's own archiver keeps. */
function makePlainTree(root: string): void {
  const deep = join(root, 'a/b');
  mkdirSync(deep, { recursive: true });
  for (let n = 0; n < 40; n += 1) {
    const file = join(n % 2 === 0 ? root : deep, `file-${n}.txt`);
    writeFileSync(file, `${'line of text\n'.repeat(n * 50)}`);
    utimesSync(file, 1_600_000_000 + n, 1_600_000_000 + n);
  }
  for (const folder of [deep, join(root, 'a'), root])
    utimesSync(folder, 1_500_000_000, 1_500_000_000);
}
