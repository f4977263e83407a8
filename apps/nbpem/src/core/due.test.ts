import { expect, test } from 'vitest';
import { forecast, type LastBackup, nextRun } from './due.ts';
import { ALWAYS, DAY_MS, daily, HOUR_MS, policy, schedule } from './policy.test-data.ts';

const UTC = () => 0;
const NOW_MS = Date.UTC(2026, 7, 5, 12);
const WEEK_S = 7 * 86_400;

const weekly = schedule('weekly', { frequencyS: WEEK_S });
const dailyIncr = schedule('daily', { type: 'SCHEDULE_TYPE_INCR' });
const dailyCinc = schedule('cumulative', { type: 'SCHEDULE_TYPE_CINC', frequencyS: 3 * 86_400 });
const targetOf = (schedules = [weekly, dailyIncr], fields = {}) => ({
  ...{ policy: policy({ schedules, ...fields }), client: 'filer1', path: '/vol/home' },
});
const fullAt = (atMs: number, name = 'weekly'): LastBackup => ({
  ...{ schedule: name, type: 'SCHEDULE_TYPE_FULL', atMs },
});
const incrAt = (atMs: number): LastBackup => ({
  ...{ schedule: 'daily', type: 'SCHEDULE_TYPE_INCR', atMs },
});
const due = (history: LastBackup[], target = targetOf()) => {
  const run = nextRun(target, history, NOW_MS, UTC);
  return run === undefined ? undefined : [run.schedule.name, run.startMs - NOW_MS];
};

test('what was never backed up is due at once, the full first', () => {
  expect(due([])).toEqual(['weekly', 0]);
});

test.each<[string, LastBackup[], [string, number]]>([
  ['a full covers the incremental', [fullAt(NOW_MS - HOUR_MS)], ['daily', 23 * HOUR_MS]],
  ['an incremental is due a day after the full', [fullAt(NOW_MS - DAY_MS)], ['daily', 0]],
  [
    'an incremental does not put the full off',
    [fullAt(NOW_MS - 7 * DAY_MS), incrAt(NOW_MS - DAY_MS)],
    ['weekly', 0],
  ],
  [
    'the newer of both counts for the incremental',
    [fullAt(NOW_MS - 2 * DAY_MS), incrAt(NOW_MS - HOUR_MS)],
    ['daily', 23 * HOUR_MS],
  ],
])('%s', (_name, history, expected) => {
  expect(due(history)).toEqual(expected);
});

test('a rarer full covers a more frequent one, not the other way', () => {
  const monthly = schedule('monthly', { frequencyS: 4 * WEEK_S });
  const target = targetOf([monthly, weekly]);
  expect(due([fullAt(NOW_MS - DAY_MS, 'monthly')], target)).toEqual(['weekly', 6 * DAY_MS]);
  expect(due([fullAt(NOW_MS - DAY_MS, 'weekly')], target)).toEqual(['monthly', 0]);
});

test('a rarer cumulative counts for a differential, never the other way', () => {
  const target = targetOf([dailyCinc, dailyIncr]);
  const cinc: LastBackup = {
    ...{ schedule: 'cumulative', type: 'SCHEDULE_TYPE_CINC', atMs: NOW_MS - HOUR_MS },
  };
  expect(due([cinc], target)).toEqual(['daily', 23 * HOUR_MS]);
  expect(due([incrAt(NOW_MS - HOUR_MS)], target)).toEqual(['cumulative', 0]);
});

test('the window decides when it starts, and when it may no longer', () => {
  const night = schedule('weekly', { frequencyS: WEEK_S, windows: daily(22, 4) });
  const run = nextRun(targetOf([night]), [], NOW_MS, UTC);
  expect(run?.startMs).toBe(Date.UTC(2026, 7, 5, 22));
  expect(run?.closeMs).toBe(Date.UTC(2026, 7, 6, 2));
});

test('a policy that is inactive or not yet in effect waits', () => {
  expect(due([], targetOf([weekly], { active: false }))).toBeUndefined();
  const later = BigInt(NOW_MS + HOUR_MS);
  expect(due([], targetOf([weekly], { effectiveMs: later }))).toEqual(['weekly', HOUR_MS]);
});

test('a forecast lists one run after the other as if each went well', () => {
  const night = [
    schedule('weekly', { frequencyS: WEEK_S, windows: daily(22, 4) }),
    schedule('daily', { type: 'SCHEDULE_TYPE_INCR', windows: daily(22, 4) }),
  ];
  const span = { fromMs: NOW_MS, untilMs: NOW_MS + 8 * DAY_MS };
  const runs = forecast(targetOf(night), [], span, UTC);
  expect(runs.map((run) => run.schedule.name)).toEqual([
    ...['weekly', ...Array(6).fill('daily'), 'weekly'],
  ]);
  const always = schedule('always', { frequencyS: 0, windows: ALWAYS });
  expect(forecast(targetOf([always]), [], span, UTC)).toHaveLength(100);
});
