import './utc.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { HOST } from './fixture.ts';
import { START_S } from './rows.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbpem', 'nbrb', 'nbjm']);
});
afterAll(() => shell.stop());

test('nbpemreq lists what becomes due until a date', async () => {
  const task = {
    ...{ policy: 'filers', schedule: 'full', client: 'filer1', path: '/vol/home' },
    ...{ dueMs: START_S * 1000n, reason: 'a week has passed' },
  };
  shell.answer('nbpem', {
    ListDue: async ({ policy: name }) => ({ tasks: name === '' ? [task] : [] }),
  });
  expect((await shell.run('nbpemreq -due -date 11/23/2025')).out).toContain('a week has passed');
  expect(shell.asked('nbpem', 'ListDue')).toMatchObject({ untilMs: 1_763_856_000_000n });
  expect((await shell.run('nbpemreq -due -policy_filter none')).status).toBe(227);
});

test('nbrbutil shows what waits and why, and vouches for a drive', async () => {
  const attempt = { jobId: 9n, try: 1, step: 0 };
  shell.answer('nbrb', {
    Dump: async () => ({
      waiting: [
        {
          request: { attempt, policy: 'filers', client: 'filer1', storageUnit: 'unit1' },
          reasons: ['drive d1 is in use by job 7'],
        },
      ],
      grants: [
        {
          grant: {
            ...{ grantId: 'g1', epoch: 5n, attempt: { jobId: 7n, try: 2, step: 0 } },
            ...{ mode: 'DRIVE_MODE_WRITE', storageUnit: 'unit1', mediaServer: HOST },
            drive: { name: 'd1' },
            volume: { mediaId: 'TAP001', pool: 'NetBackup' },
          },
          ...{ state: 'active', renewedMs: START_S * 1000n },
        },
      ],
      unknown: [{ kind: 'drive', name: 'd2', reason: 'no word', sinceMs: START_S * 1000n }],
    }),
    ReleaseUnknown: async () => ({}),
  });
  const { out } = await shell.run('nbrbutil -dump');
  expect(out).toContain('waits: drive d1 is in use by job 7');
  expect(out).toMatch(/7 \(try 2\) +write +d1 +TAP001/);
  expect(out).toMatch(/drive +d2 +11\/22\/2025 07:00:00 +no word/);
  expect((await shell.run('nbrbutil -listActiveDriveJobs d1')).status).toBe(0);
  expect((await shell.run('nbrbutil -listActiveDriveJobs d9')).status).toBe(227);
  expect((await shell.run('nbrbutil -releaseOrphanedDrive d2')).status).toBe(0);
  expect(shell.asked('nbrb', 'ReleaseUnknown')).toEqual({
    ...{ kind: 'drive', name: 'd2', requester: 'operator@desk' },
  });
});

test('nbrbutil takes back, suspends, reorders and compares', async () => {
  shell.answer('nbrb', {
    TakeBack: async ({ kind }) => ({ grants: kind === 'all' ? 2 : 1 }),
    SetSuspended: async () => ({}),
    ChangePriority: async () => ({}),
    CloseGroup: async () => ({}),
    CheckAllocations: async () => ({ differences: ['drive d2 is unknown: no word'] }),
    Dump: async () => ({ suspended: 'suspended by root', counters: [{ name: 'n', used: 2 }] }),
  });
  shell.answer('nbjm', { CancelJob: async () => ({}) });
  const requester = 'operator@desk';
  for (const [line, out] of [
    ['-release g1', '1 grant taken back'],
    ['-releaseDrive d1', '1 grant taken back'],
    ['-releaseMedia A1', '1 grant taken back'],
    ['-resetMediaServer media1', '1 grant taken back'],
    ['-resetAll', '2 grants taken back'],
    ['-reportInconsistentAllocations', 'drive d2 is unknown: no word'],
    ['-syncAllocations', 'looked after: drive d2 is unknown'],
    ['-suspend', ''],
    ['-cancel 7', ''],
    ['-setDriveGroupUnjoinable d1', ''],
    ['-dumptables', 'Nothing is given out: suspended by root'],
  ] as const) {
    const run = await shell.run(`nbrbutil ${line}`);
    expect([line, run.status, run.error]).toEqual([line, 0, '']);
    expect(run.out).toContain(out);
  }
  expect(shell.asked('nbrb', 'TakeBack')).toEqual({ kind: 'all', name: '', requester });
  expect(shell.asked('nbrb', 'SetSuspended')).toEqual({ suspended: true, requester });
  await shell.run('nbrbutil -changePriority 7 -priority 9');
  expect(shell.asked('nbrb', 'ChangePriority')).toEqual({ jobId: 7n, priority: 9, requester });
  expect((await shell.run('nbrbutil -changePriority 7')).status).toBe(144);
});

test.each([
  'bpbackup -frob',
  'bpplinfo',
  'bpplinfo a b',
  'vmupdate',
  'bpstuadd -label x',
  'nbrbutil',
  'nbkmsutil',
  'vmquery',
  'vmpool',
  'tpautoconf',
  'vtl',
  'vtl burn /tmp/x',
  'bpimagelist -d tomorrow',
])('%s is refused with 144 and the usage', async (line) => {
  const { status, out, error } = await shell.run(line);
  expect({ status, out }).toEqual({ status: 144, out: '' });
  expect(error).toMatch(/^\w+: .+\nusage: /);
});
