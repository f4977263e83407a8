// One drive and small tapes: who waits is told for what, an image goes on when its tape fills up, and an unfinished full
// backup is never the base of an incremental.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { compareTrees } from '../../demo/compare.ts';
import { freeze, holdMidStream, thaw } from './mid-stream.ts';
import { addPolicy, type Site, startSite, writeNoise } from './site.ts';

let site: Site;

beforeAll(async () => {
  site = await startSite({
    drives: 1,
    capacityBytes: 400_000_000,
    env: {
      nbpem: {
        NBPEM_TRIES_MAX: '1',
        NBPEM_POLICY_UPDATE_MS: '1000',
        NBPEM_TICK_MS: '200',
      },
    },
  });
});

afterAll(() => site?.stop());

// A test that failed while it held the filer must not hold up the next one.
afterEach(() => {
  thaw(site);
});

test('the second of two backups waits for the drive, says so, and runs when it is free', async () => {
  await addPolicy(site.bus, 'other', ['/data/other']);
  folderWithFile('other', 1_000);
  const held = await holdMidStream(site);
  const second = await site.backup({ policy: 'other' });
  const third = await site.backup({ policy: 'other' });
  const waiting = await site.waitFor(second, 'waiting', ({ stateDetails }) =>
    /drive/.test(stateDetails),
  );
  expect(waiting.state).toBe('JOB_STATE_QUEUED');
  expect(waiting.stateDetails).toMatch(new RegExp(`job ${held.jobId}\\b`));
  await site.bus.client('nbjm').CancelJob({ jobId: third, requester: 'test' });
  expect((await site.ended(third)).status).toBe(150);
  held.release();
  expect((await site.ended(held.jobId)).status).toBe(0);
  const row = await site.ended(second);
  expect(row.status, await site.details(second)).toBe(0);
  await site.nothingHeld();
}, 180_000);

test('a full backup that was killed after the filer had ended it is no base: the next incremental is a full', async () => {
  await addPolicy(site.bus, 'levels', ['/data/levels']);
  const folder = join(site.source, 'levels');
  mkdirSync(folder);
  for (const name of ['one', 'two', 'three']) writeFileSync(join(folder, name), `${name}\n`);
  const bpdbm = site.system.child('bpdbm').pid!;
  freeze(site);
  const full = await site.backup({ policy: 'levels' });
  await site.waitFor(full, 'connecting', ({ operation }) => /connecting|writing/.test(operation));
  // The image is open; from here on bpdbm hears nothing: the filer ends its dump, and nobody validates it.
  process.kill(bpdbm, 'SIGSTOP');
  thaw(site);
  try {
    await site.waitFor(full, 'ended by the filer', ({ operation }) => operation === 'ending');
    await site.bus.client('nbjm').CancelJob({ jobId: full, requester: 'test' });
  } finally {
    process.kill(bpdbm, 'SIGCONT');
  }
  expect((await site.ended(full)).status, await site.details(full)).toBe(150);
  const incr = await site.ended(await site.backup({ policy: 'levels', schedule: 'incr' }));
  expect(incr.status, await site.details(incr.jobId)).toBe(0);
  const { images } = await site.bus.client('bpdbm').ListImages({ policy: 'levels' });
  expect(images.map(({ level, scheduleType }) => [level, scheduleType])).toEqual([
    [0, 'SCHEDULE_TYPE_INCR'],
  ]);
  const restore = await site.ended(await site.restore(['/data/levels']));
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(compareTrees(folder, join(site.restored, 'levels')).differences).toEqual([]);
}, 180_000);

test('one file comes back alone, by its place in the image', async () => {
  const restore = await site.ended(
    await site.restore(['/data/levels/two'], { from: '/data/levels', to: '/restore/single' }),
  );
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(existsSync(join(site.restored, 'single/two'))).toBe(true);
  expect(existsSync(join(site.restored, 'single/one'))).toBe(false);
}, 180_000);

test('an incremental has what changed, and the chain restores whole', async () => {
  const folder = join(site.source, 'levels');
  writeFileSync(join(folder, 'four'), 'four\n');
  const incr = await site.ended(await site.backup({ policy: 'levels', schedule: 'incr' }));
  expect(incr.status, await site.details(incr.jobId)).toBe(0);
  const { images } = await site.bus.client('bpdbm').ListImages({ policy: 'levels' });
  expect(images.map(({ level }) => level).sort()).toEqual([0, 1]);
  const restore = await site.ended(
    await site.restore(['/data/levels'], { from: '/data/levels', to: '/restore/chain' }),
  );
  expect(restore.status, await site.details(restore.jobId)).toBe(0);
  expect(compareTrees(folder, join(site.restored, 'chain')).differences).toEqual([]);
}, 180_000);

test('a schedule that falls due starts the same flow with no bpbackup', async () => {
  await addPolicy(site.bus, 'scheduled', ['/data/due'], { open: true, frequencyS: 3_600 });
  folderWithFile('due', 1_000);
  const row = await (async () => {
    for (let n = 0; n < 600; n += 1) {
      const { jobs } = await site.bus.client('bpjobd').ListJobs({ policy: 'scheduled', limit: 1 });
      if (jobs[0]?.state === 'JOB_STATE_DONE') return jobs[0];
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error('no job of the schedule ended');
  })();
  expect([row.status, row.subtype]).toEqual([0, 1]);
}, 180_000);

test('a tape that fills up in the middle is no end: the image goes on upon another, in the one drive', async () => {
  folderWithFile('huge', 600_000_000);
  await addPolicy(site.bus, 'toobig', ['/data/huge']);
  const row = await site.ended(await site.backup({ policy: 'toobig' }));
  const details = await site.details(row.jobId);
  expect(row.status, details).toBe(0);
  expect(details).toMatch(/is full after \d+ bytes of the image/);
  expect(details).toMatch(/continuing on volume/);
  await site.nothingHeld();
  folderWithFile('after', 1_000);
  await addPolicy(site.bus, 'after', ['/data/after']);
  const next = await site.ended(await site.backup({ policy: 'after' }));
  expect(next.status, await site.details(next.jobId)).toBe(0);
}, 300_000);

function folderWithFile(name: string, bytes: number): void {
  mkdirSync(join(site.source, name));
  writeNoise(join(site.source, name, 'file'), bytes);
}
