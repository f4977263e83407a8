import './utc.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Policy } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { policyRow } from './rows.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['bpdbm']);
});
afterAll(() => shell.stop());

let policy: Policy;
beforeEach(() => {
  policy = policyRow();
  shell.answer('bpdbm', {
    GetPolicy: async ({ name }) => {
      if (name !== policy.name) throw new StatusError('policyMissing', `no policy ${name}`);
      return { policy };
    },
    UpdatePolicy: async (request) => {
      if (request.policy === null) throw new Error('no policy was sent');
      policy = request.policy;
      return { policy };
    },
    ListPolicies: async () => ({ policies: [policy] }),
  });
});

test('bppolicynew makes a policy, also as a copy', async () => {
  shell.answer('bpdbm', { CreatePolicy: async () => ({ policy }) });
  expect(await shell.run('bppolicynew new -sameas filers')).toMatchObject({ status: 0, error: '' });
  expect(shell.asked('bpdbm', 'CreatePolicy')).toMatchObject({ name: 'new', sameAs: 'filers' });
});

test('bppldelete deletes it', async () => {
  shell.answer('bpdbm', { DeletePolicy: async () => ({}) });
  expect((await shell.run('bppldelete filers')).status).toBe(0);
  expect(shell.asked('bpdbm', 'DeletePolicy')).toMatchObject({ name: 'filers' });
});

test('bpplinfo changes what is named, with the generation that was read', async () => {
  const line = 'bpplinfo filers -modify -inactive -residence *NULL* -priority 9 -policyjobs 999';
  expect((await shell.run(line)).status).toBe(0);
  expect(policy).toMatchObject({ active: false, residence: '', priority: 9, maxJobs: 0 });
  expect(policy).toMatchObject({ pool: 'NetBackup', generation: 4n, clients: ['filer1'] });
});

test('bpplinfo -set brings the rest to its default', async () => {
  policy = policyRow({ keyword: 'old', priority: 5 });
  await shell.run(['bpplinfo', 'filers', '-set', '-pool', 'offsite']);
  expect(policy).toMatchObject({ pool: 'offsite', keyword: '', priority: 0, residence: '' });
});

test('a policy that is not there: 230, and its text', async () => {
  const { status, error } = await shell.run('bpplinfo nosuch -U');
  expect(status).toBe(230);
  expect(error).toBe('EXIT STATUS 230: the policy does not exist\n  no policy nosuch\n');
});

test('bpplclients adds, lists and deletes', async () => {
  expect((await shell.run('bpplclients filers -add filer2 NDMP NDMP')).status).toBe(0);
  expect(policy.clients).toEqual(['filer1', 'filer2']);
  expect((await shell.run('bpplclients filers -l')).out).toBe(
    'CLIENT filer1 NDMP NDMP 0 0 0 0 *NULL*\nCLIENT filer2 NDMP NDMP 0 0 0 0 *NULL*\n',
  );
  expect((await shell.run('bpplclients filers -delete filer1')).status).toBe(0);
  expect(policy.clients).toEqual(['filer2']);
  expect((await shell.run('bpplclients filers -add filer2 NDMP NDMP')).status).toBe(226);
  expect((await shell.run('bpplclients filers -add other Linux RedHat')).status).toBe(20);
  expect((await shell.run('bpplclients filers -delete nosuch')).status).toBe(227);
  expect((await shell.run('bpplclients -allunique')).out).toContain('filer2');
});

test('bpplinclude adds lines in order, from a file too', async () => {
  const file = join(shell.dir, 'paths');
  writeFileSync(file, '/vol/b\n\n/vol/c\n');
  await shell.run(['bpplinclude', 'filers', '-add', 'SET HIST=F', '/vol/a', '-f', file]);
  expect(policy.includes).toEqual(['/vol/home', 'SET HIST=F', '/vol/a', '/vol/b', '/vol/c']);
  await shell.run('bpplinclude filers -delete /vol/a /vol/b');
  await shell.run('bpplinclude filers -modify /vol/c /vol/d');
  expect(policy.includes).toEqual(['/vol/home', 'SET HIST=F', '/vol/d']);
  expect((await shell.run('bpplinclude filers -l')).out).toContain('INCLUDE SET HIST=F\n');
  expect((await shell.run('bpplinclude filers -add')).status).toBe(144);
  expect((await shell.run('bpplinclude filers -add -f /no/such/file')).status).toBe(12);
});

test('bpplsched adds a schedule with a window for every day', async () => {
  const line = 'bpplsched filers -add daily -st INCR -freq 86400 -rl 3 -window 79200 06:00:00';
  expect((await shell.run(line)).status).toBe(0);
  expect(policy.schedules[1]).toMatchObject({
    ...{ name: 'daily', type: 'SCHEDULE_TYPE_INCR', frequencyS: 86_400, retentionLevel: 3 },
    windows: Array.from({ length: 7 }, () => ({ startS: 79_200, durationS: 21_600 })),
  });
  expect((await shell.run('bpplsched filers -add full')).status).toBe(226);
  expect((await shell.run('bpplsched filers -add x -st UBAK')).status).toBe(144);
  expect((await shell.run('bpplsched filers -add x -window soon late')).status).toBe(144);
  expect((await shell.run('bpplsched filers -delete nosuch')).status).toBe(197);
  expect((await shell.run('bpplsched filers -deleteall')).status).toBe(0);
  expect(policy.schedules).toEqual([]);
  expect((await shell.run('bpplsched filers')).status).toBe(227);
});

test('bpplschedrep changes the days that it names', async () => {
  await shell.run('bpplschedrep filers full -freq 100 -0 0 3600');
  const [schedule] = policy.schedules;
  expect(schedule).toMatchObject({ frequencyS: 100, retentionLevel: 1 });
  expect(schedule?.windows[0]).toEqual({ startS: 0, durationS: 3600 });
  expect(schedule?.windows[6]).toEqual({ startS: 79_200, durationS: 21_600 });
  expect((await shell.run('bpplschedrep filers nosuch -freq 1')).status).toBe(197);
});

test('bppllist lists names, and whole policies by client', async () => {
  expect((await shell.run('bppllist')).out).toBe('filers\n');
  expect((await shell.run('bppllist -byclient filer1 -l')).out).toMatch(/^CLASS filers /);
  expect((await shell.run('bppllist -byclient nosuch')).status).toBe(227);
});
