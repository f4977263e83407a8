import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { jobRow, volumeRow } from './rows.ts';

let shell: FakedShell;
/** The volume as it is now. */
let assignedMs = 1n;

beforeAll(async () => {
  shell = await startFakedShell(['bpdbm', 'nbemm', 'bpjobd']);
});
afterAll(() => shell?.stop());

const changed = { backupId: 'filer1_1', oldExpirationS: 9n, expirationS: 2_000_000_000n };

beforeEach(() => {
  assignedMs = 1n;
  shell.answer('bpdbm', {
    ChangeExpiration: async () => ({ images: [changed], count: 1n }),
    CleanUpImages: async () => {
      assignedMs = 0n;
      return { jobId: 12n };
    },
    DeassignEmpty: async () => ({
      returned: ['TAP002'],
      kept: [{ mediaId: 'TAP003', reason: 'it is frozen' }],
    }),
  });
  shell.answer('bpjobd', {
    GetJob: async () => ({
      job: jobRow({
        jobId: 12n,
        type: 'JOB_TYPE_IMAGE_CLEANUP',
        state: 'JOB_STATE_DONE',
        files: 3n,
        status: 0,
      }),
    }),
  });
  shell.answer('nbemm', {
    ListVolumes: async ({ mediaId }) => {
      if (mediaId.toUpperCase() !== 'TAP001') return {};
      const { volume, ...row } = volumeRow();
      return { volumes: [{ ...row, volume: { ...volume!, assignedMs } }] };
    },
  });
});

const request = () => shell.asked('bpdbm', 'ChangeExpiration');

test('bpexpdate -d 0 asks, ends the images of a volume, cleans up, and says what became of it', async () => {
  const no = await shell.run('bpexpdate -m TAP001 -d 0', { answer: 'n' });
  expect(no.status).toBe(150);
  expect(no.error).toContain('will be removed from the catalog');
  expect(request()).toMatchObject({ preview: true });

  const yes = await shell.run('bpexpdate -m tap001 -d 0', { answer: 'y' });
  expect(yes.status).toBe(0);
  expect(request()).toMatchObject({ preview: false, mediaId: 'TAP001', expirationS: 1n });
  expect(yes.out).toContain('filer1_1 has expired');
  expect(yes.out).toContain('job 12: done: images removed: 3');
  expect(yes.out).toContain('volume TAP001 is free, in pool NetBackup');
});

test('without images, -d 0 still gives the volume back; of one that is not known it is 227', async () => {
  shell.answer('bpdbm', {
    ChangeExpiration: async () => {
      throw new StatusError('notFound', 'no unexpired image matches');
    },
    CleanUpImages: async () => ({ jobId: 12n }),
  });
  const free = await shell.run('bpexpdate -m TAP001 -d 0 -force');
  expect(free.out).toContain('volume TAP001 stays assigned for now');
  expect((await shell.run('bpexpdate -m TAP009 -d 0 -force')).status).toBe(227);
  expect((await shell.run('bpexpdate -m TAP001 -d 12/31/2030 -force')).status).toBe(227);
  expect((await shell.run('bpexpdate -backupid x_1 -d 0 -force')).status).toBe(227);
});

test('a date, never, a retention level, and the rest of the line', async () => {
  const never = await shell.run('bpexpdate -backupid filer1_1 -d infinity -copy 1 -force');
  expect(never.out).toMatch(/filer1_1 expires \d\d\/\d\d\/2033/);
  expect(request()).toMatchObject({ backupId: 'filer1_1', expirationS: 2_147_483_647n, copy: 1 });
  await shell.run('bpexpdate -backupid filer1_1 -d 12/31/2030 12:00:00 -nodelete -force');
  expect(request()).toMatchObject({ expirationS: 1_924_948_800n, keepOnDisk: true });
  await shell.run('bpexpdate -recalculate -policy filers -sched 1 -ret 3 -force');
  expect(request()).toMatchObject({
    ...{ policy: 'filers', recalculate: true, withRetentionLevel: true, retentionLevel: 3 },
    scheduleTypes: ['SCHEDULE_TYPE_INCR'],
  });
  await shell.run('bpexpdate -recalculate -policy filers -force');
  expect(request()).toMatchObject({ recalculate: true, withRetentionLevel: false });
});

test.each([
  'bpexpdate -d 0',
  'bpexpdate -m TAP001',
  'bpexpdate -m TAP001 -backupid x_1 -d 0',
  'bpexpdate -m TAP001 -d 0 -policy filers',
  'bpexpdate -recalculate',
  'bpexpdate -recalculate -policy p -ret 1 -d 0',
  'bpexpdate -m TAP001 -d tomorrow',
  'bpimage -cleanup',
])('%s is not understood', async (line) => {
  expect((await shell.run(line)).status).toBe(144);
});

test('-deassignempty gives volumes back by hand, and tells which stay', async () => {
  const all = await shell.run('bpexpdate -deassignempty', { answer: 'yes' });
  expect(all).toMatchObject({ status: 1, out: 'volume TAP002 is free\n' });
  expect(all.error).toContain('volume TAP003 stays: it is frozen');
  shell.answer('bpdbm', { DeassignEmpty: async () => ({}) });
  const used = await shell.run('bpexpdate -deassignempty -m tap001 -force');
  expect(used).toMatchObject({ status: 224 });
  expect(used.error).toContain('has images on TAP001');
  assignedMs = 0n;
  expect((await shell.run('bpexpdate -deassignempty -m TAP001 -force')).status).toBe(2014);
  expect((await shell.run('bpexpdate -deassignempty -m TAP009 -force')).status).toBe(227);
});

test('bpimage -cleanup is a job that is waited for', async () => {
  const { status, out } = await shell.run('bpimage -cleanup -allclients -prunetir');
  expect(status).toBe(0);
  expect(out).toContain('images removed: 3');
});
