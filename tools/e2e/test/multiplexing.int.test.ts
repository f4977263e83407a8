// Backups of two filers on the one drive at once: they come and go, one filer dies in the middle, and each image that
// was acknowledged comes back whole and by the file, also by a reader that knows only the tapes.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { type Filer, startFiler } from '../../demo/filer.ts';
import { freeze, holdMidStream, thaw } from './mid-stream.ts';
import { addPolicy, type Site, startSite, writeNoise } from './site.ts';

const MPX = 4;
const MINUTES = 240_000;
const FOLDERS = ['one', 'two', 'three', 'four'];
const READER = join(import.meta.dirname, '../../reader/read-tape.ts');

let site: Site;
let second: Filer;
let secondData: string;

beforeAll(async () => {
  site = await startSite({
    ...{ drives: 1, cartridges: 3, mpx: MPX },
    env: { nbpem: { NBPEM_TRIES_MAX: '1' } },
  });
  for (const [i, name] of FOLDERS.entries()) {
    mkdirSync(join(site.source, name));
    writeNoise(join(site.source, name, 'large'), 20_000_000 + 10_000_000 * i);
    writeFileSync(join(site.source, name, 'small'), `${name}\n`);
  }
  await addPolicy(
    site.bus,
    'four',
    FOLDERS.map((name) => `/data/${name}`),
    { mpx: MPX },
  );
  secondData = join(site.dir, 'data2');
  mkdirSync(secondData);
  writeNoise(join(secondData, 'file'), 30_000_000);
  const exports = { data: secondData, restore: site.restored };
  second = await startFiler({ dir: join(site.dir, 'filer2'), exports });
  const { host: address, port, user, password } = second;
  const host = { name: 'filer2', address, port, user, password, auth: 'md5' };
  await site.bus.client('nbemm').AddNdmpHost(host);
  await addPolicy(site.bus, 'other', ['/data'], { client: 'filer2', mpx: MPX });
});

afterAll(async () => {
  await second?.stop();
  await site?.stop();
});

afterEach(() => thaw(site));

async function submit(policy: string, client: string): Promise<readonly bigint[]> {
  const requester = { user: 'test', host: 'test' };
  const asked = { requestId: `mpx-${Math.random()}`, requester, policy, schedule: 'full', client };
  return (await site.bus.client('bprd').SubmitBackup(asked)).jobIds;
}

async function expectDone(jobId: bigint): Promise<void> {
  const row = await site.ended(jobId, 180_000);
  expect(row.status, await site.details(jobId)).toBe(0);
}

/** A job is not known before its daemons have talked. */
async function told(jobId: bigint, words: RegExp): Promise<void> {
  for (let n = 0; ; n += 1) {
    const text = await site.details(jobId).catch(() => '');
    if (words.test(text)) return;
    if (n > 900) throw new Error(`not told ${words}:\n${text}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function restore(client: string, path: string, to: string): Promise<string> {
  const { jobId } = await site.bus.client('bprd').SubmitRestore({
    ...{ requestId: `back-${to}`, requester: { user: 'test', host: 'test' }, client },
    renames: [{ from: Buffer.from(path), to: Buffer.from(`/restore/${to}`) }],
    paths: [Buffer.from(path)],
  });
  await expectDone(jobId);
  return join(site.restored, to);
}

test(
  'four backups of a filer share the drive, and each comes back',
  async () => {
    // Nobody sends before all have joined.
    freeze(site);
    const jobs = await submit('four', 'filer1');
    expect(jobs).toHaveLength(FOLDERS.length);
    for (const jobId of jobs) await told(jobId, /shares drive drive1 with|joins on drive drive1/);
    thaw(site);
    for (const jobId of jobs) await expectDone(jobId);
    const { images } = await site.bus.client('bpdbm').ListImages({ policy: 'four' });
    const fragments = images.flatMap((image) => image.fragments);
    expect(new Set(fragments.map(({ mediaId }) => mediaId)).size).toBe(1);
    expect(fragments.filter(({ stream }) => stream > 0).length).toBeGreaterThan(0);
    const { volumes } = await site.bus.client('nbemm').ListVolumes({ assignedOnly: true });
    expect(volumes.map((row) => row.images)).toEqual([FOLDERS.length]);
    await site.nothingHeld();
    for (const name of FOLDERS) {
      const back = await restore('filer1', `/data/${name}`, name);
      expect(compareTrees(join(site.source, name), back).differences).toEqual([]);
    }
    await restore('filer1', '/data/three/small', 'single');
    expect(readdirSync(site.restored)).toContain('single');
  },
  MINUTES,
);

test(
  'a filer that stands still holds up nobody, and one that dies ends its own backup alone',
  async () => {
    const held = await holdMidStream(site);
    const [quick] = await submit('other', 'filer2');
    await expectDone(quick!);
    expect(await site.details(quick!)).toMatch(
      new RegExp(`shares drive drive1 with job ${held.jobId}:`),
    );
    process.kill(-second.pid, 'SIGSTOP');
    const [beside] = await submit('other', 'filer2');
    try {
      await told(beside!, /shares drive/);
      await site.filer.kill();
      const dead = await site.ended(held.jobId);
      expect([99, 40, 23], await site.details(held.jobId)).toContain(dead.status);
    } finally {
      process.kill(-second.pid, 'SIGCONT');
    }
    await expectDone(beside!);
    await site.nothingHeld();
    await site.restartFiler();
    const back = await restore('filer2', '/data', 'second');
    expect(compareTrees(secondData, back).differences).toEqual([]);
    const { images } = await site.bus.client('bpdbm').ListImages({ policy: 'nas' });
    expect(images).toEqual([]);
  },
  MINUTES,
);

test(
  'a reader that knows only the format finds and verifies all of it',
  async () => {
    const cartridges = join(site.dir, 'library/cartridges');
    const folders = readdirSync(cartridges).map((name) => join(cartridges, name));
    const maxBuffer = 256 * 1024 * 1024;
    const { images } = await site.bus.client('bpdbm').ListImages({});
    expect(images.length).toBeGreaterThan(FOLDERS.length);
    for (const { backupId } of images) {
      const stream = execFileSync(process.execPath, [READER, 'extract', backupId, ...folders], {
        maxBuffer,
      });
      const names = execFileSync('tar', ['-tf', '-'], {
        input: stream,
        encoding: 'utf8',
        maxBuffer,
      });
      expect(names.split('\n').length).toBeGreaterThan(1);
    }
    const verified = execFileSync(process.execPath, [READER, 'verify', ...folders], { maxBuffer });
    expect(verified.toString()).not.toMatch(/^bad/m);
    expect(existsSync(join(site.restored, 'second/file'))).toBe(true);
  },
  MINUTES,
);
