import { expect, test } from 'vitest';
import { chooseRun, jobSpec } from './job-spec.ts';
import { policy, schedule } from './policy.test-data.ts';

const nas = policy({
  ...{ clients: ['filer1', 'filer2'], pool: 'Weekly', residence: 'stu1', maxJobs: 3, priority: 7 },
  schedules: [
    schedule('weekly', { frequencyS: 604_800, retentionLevel: 4, multiplexing: 4 }),
    schedule('monthly', { frequencyS: 2_419_200, pool: 'Monthly', residence: 'stu2' }),
    schedule('daily', { type: 'SCHEDULE_TYPE_INCR' }),
  ],
});

test('a run at once takes the named schedule and client, or the rarest full and all clients', () => {
  const run = chooseRun(nas, { schedule: 'daily', client: 'filer2' });
  expect([run.schedule.name, run.clients]).toEqual(['daily', ['filer2']]);
  const all = chooseRun(nas, { schedule: '', client: '' });
  expect([all.schedule.name, all.clients]).toEqual(['monthly', ['filer1', 'filer2']]);
});

test.each([
  ['inactive', policy({ active: false }), {}, 247],
  ['of another type', policy({ type: 'Oracle' }), {}, 16],
  ['no such schedule', nas, { schedule: 'yearly' }, 197],
  ['no full schedule', policy({ schedules: [nas.schedules[2]!] }), {}, 240],
  ['no such client', nas, { client: 'filer9' }, 239],
  ['no clients', policy({ clients: [] }), {}, 239],
])('%s', (_name, of, wanted, code) => {
  expect(() => chooseRun(of, { schedule: '', client: '', ...wanted })).toThrow(
    new RegExp(`^${code} `),
  );
});

test('a job says all that the policy says, the schedule before the policy', () => {
  const task = {
    ...{ policy: nas, client: 'filer1', selection: { path: '/vol/home', env: [] } },
    ...{ owner: 'root', keyword: '', startBeforeMs: 5.5, maxJobsPerClient: 2 },
    subtype: 1 as const,
  };
  expect(jobSpec({ ...task, schedule: nas.schedules[0]! })).toMatchObject({
    ...{ type: 'JOB_TYPE_BACKUP', policy: 'nas', schedule: 'weekly', priority: 7, subtype: 1 },
    startBeforeMs: 5n,
    backup: {
      ...{ path: '/vol/home', storageUnit: 'stu1', pool: 'Weekly', retentionLevel: 4 },
      ...{ maxJobsPerPolicy: 3, maxJobsPerClient: 2, maxMpx: 4 },
    },
  });
  const monthly = jobSpec({ ...task, schedule: nas.schedules[1]!, startBeforeMs: Infinity });
  expect(monthly).toMatchObject({
    startBeforeMs: 0n,
    backup: { storageUnit: 'stu2', pool: 'Monthly' },
  });
});
