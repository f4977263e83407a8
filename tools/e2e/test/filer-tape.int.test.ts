// Local and three-way through every daemon: the filer writes its own tape, another filer writes that tape through it, and
// both come back. No byte of the data passes the media server.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { type Filer, startFiler } from '../../demo/filer.ts';
import { makeTree } from '../../demo/tree.ts';
import { addPolicy, type Site, startSite } from './site.ts';

const PICKED = Buffer.alloc(300_000, 'picked');
const PICK = { from: '/data/zone', to: '/restore/picked' };
const READER = join(import.meta.dirname, '../../reader/read-tape.ts');

let site: Site;
let second: Filer;
let secondSource: string;

beforeAll(async () => {
  site = await startSite({ filerHasDrive: true });
  makeTree(site.source, { files: 200, bytes: 20_000_000 });
  mkdirSync(join(site.source, 'zone'));
  writeFileSync(join(site.source, 'zone/picked.bin'), PICKED);
  secondSource = join(site.dir, 'second-data');
  mkdirSync(secondSource);
  makeTree(secondSource, { files: 50, bytes: 5_000_000 });
  writeFileSync(join(secondSource, 'picked.bin'), PICKED);
  const restored = join(site.dir, 'second-restored');
  mkdirSync(restored);
  const exports = { data: secondSource, restore: restored };
  second = await startFiler({ dir: join(site.dir, 'second'), exports });
  const { host: address, port, user, password } = second;
  const emm = site.bus.client('nbemm');
  await emm.AddNdmpHost({ name: 'filer2', address, port, user, password, auth: 'md5' });
  await addPolicy(site.bus, 'second', ['/data'], { client: 'filer2' });
});

afterAll(async () => {
  await second?.stop();
  await site?.stop();
});

test('local: the filer backs up onto its own tape, full and incremental, and restores', async () => {
  const full = await site.ended(await site.backup());
  expect(full.status, await site.details(full.jobId)).toBe(0);
  expect(await site.details(full.jobId)).toMatch(/moves the data to and from its own tape/);
  writeFileSync(join(site.source, 'later.txt'), 'written after the full backup');
  const incremental = await site.ended(await site.backup({ schedule: 'incr' }));
  expect(incremental.status, await site.details(incremental.jobId)).toBe(0);
  // A stranger to our code finds the filer's own archives on the tape.
  const { images } = await site.bus.client('bpdbm').ListImages({ client: 'filer1' });
  const onTape = images.map(({ backupId }) => namesOnTape(backupId));
  expect(onTape.filter((names) => names.includes('later.txt'))).toHaveLength(1);
  expect(onTape.map((names) => names.length > 200).sort()).toEqual([false, true]);
  const restore = await site.ended(await site.restore(['/data']));
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(compareTrees(site.source, site.restored).differences).toEqual([]);
  const picked = await site.ended(await site.restore(['/data/zone/picked.bin'], PICK));
  expect(picked.status, await site.details(picked.jobId)).toBe(0);
  expect(await site.details(picked.jobId)).toMatch(/: direct access/);
  expect(readFileSync(join(site.restored, 'picked/picked.bin')).equals(PICKED)).toBe(true);
  await site.nothingHeld();
}, 300_000);

/** Members of an image, by the independent reader and GNU tar. */
function namesOnTape(backupId: string): string[] {
  const cartridges = join(site.dir, 'library/cartridges');
  const folders = readdirSync(cartridges).map((name) => join(cartridges, name));
  const maxBuffer = 256 * 1024 * 1024;
  const stream = execFileSync(process.execPath, [READER, 'extract', backupId, ...folders], {
    maxBuffer,
  });
  const list = execFileSync('tar', ['-tf', '-'], { input: stream, encoding: 'utf8', maxBuffer });
  return list.split('\n').filter((name) => name !== '');
}

test('three-way: another filer backs up through it onto the same tape', async () => {
  const bprd = site.bus.client('bprd');
  const requester = { user: 'test', host: 'test' };
  const { jobIds } = await bprd.SubmitBackup({
    ...{ requestId: 'three-way', requester, policy: 'second', schedule: 'full', client: 'filer2' },
  });
  const backup = await site.ended(jobIds[0]!);
  expect(backup.status, await site.details(backup.jobId)).toBe(0);
  expect(await site.details(backup.jobId)).toMatch(/connects to the tape host/);
  const restore = async (path: string, from: string, to: string): Promise<string> => {
    const renames = [{ from: Buffer.from(from), to: Buffer.from(to) }];
    const paths = [Buffer.from(path)];
    const requestId = `three-way ${path}`;
    const asked = { requestId, requester, client: 'filer2', renames, paths };
    const row = await site.ended((await bprd.SubmitRestore(asked)).jobId);
    const details = await site.details(row.jobId);
    expect(row.status, details).toBe(0);
    return details;
  };
  await restore('/data', '/data', '/restore');
  const back = join(site.dir, 'second-restored');
  expect(compareTrees(secondSource, back).differences).toEqual([]);
  const file = join(back, 'picked.bin');
  rmSync(file);
  expect(await restore('/data/picked.bin', '/data', '/restore')).toMatch(/: direct access/);
  expect(readFileSync(file).equals(PICKED)).toBe(true);
  await site.nothingHeld();
}, 300_000);

test('a volume is labelled and erased in the drive of the filer, but not over its whole length', async () => {
  const emm = site.bus.client('nbemm');
  const { volumes } = await emm.ListVolumes({ pool: 'Test' });
  const mediaId = volumes.findLast(({ images }) => images === 0)?.volume?.mediaId ?? '';
  const label = async (erase: boolean, longErase = false) => {
    const { jobId } = await site.bus.client('bprd').SubmitLabel({
      ...{ requestId: `label ${erase} ${longErase}`, requester: { user: 'test' }, erase },
      label: { mediaId, density: 'hcart', drive: 'drive1', longErase },
    });
    const { status } = await site.ended(jobId);
    return [status, await site.details(jobId)];
  };
  expect(await label(false)).toEqual([0, expect.stringMatching(/label written over a blank tape/)]);
  expect(await label(true)).toEqual([0, expect.stringMatching(/erased, and label written over/)]);
  expect(await label(true, true)).toEqual([16, expect.stringMatching(/erase it without -l/)]);
  await site.nothingHeld();
}, 300_000);
