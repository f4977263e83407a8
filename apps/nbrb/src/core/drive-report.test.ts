import { expect, test } from 'vitest';
import { type DriveEntry, type DriveSight, isIdle, judgeReport } from './drive-report.ts';
import type { GrantState } from './life.ts';

const sight = (drive: string, holder = '', unsure = false): DriveSight => ({
  ...{ drive, holder, unsure, holderJobId: 1n, mediaId: 'A', mounted: true },
});
const entry = (drive: string, ...members: [string, GrantState][]): DriveEntry => ({
  ...{ drive, group: members[0]?.[0] ?? '' },
  members: members.map(([grantId, state]) => ({ grantId, state })),
});

test('idle frees what was released or lost, and never a grant that lives', () => {
  const entries = [
    entry('d0', ['g0', 'active']),
    entry('d1', ['g1', 'releasing']),
    entry('d2', ['g2', 'lost']),
    entry('d3'),
    entry('d4', ['g4', 'assigning']),
    entry('d6', ['g6', 'lost'], ['g7', 'active']),
    entry('d7', ['g8', 'lost'], ['g9', 'releasing']),
  ];
  const idle = ['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7'].map((drive) => sight(drive));
  const verdict = judgeReport(entries, idle);
  expect(verdict).toMatchObject({
    freeGroups: ['g1', 'g2', 'g8'],
    freeDrives: ['d3'],
    strangers: [],
  });
});

test('a drive held by somebody whom nobody knows is not given out', () => {
  expect(judgeReport([], [sight('d0', 'old')]).strangers).toHaveLength(1);
  const known = judgeReport([entry('d0', ['g0', 'lost'])], [sight('d0', 'g0')]);
  expect(known).toMatchObject({ freeGroups: [], freeDrives: [], strangers: [], mismatches: [] });
  const other = judgeReport([entry('d0', ['g0', 'releasing'])], [sight('d0', 'g9')]);
  expect(other.mismatches).toHaveLength(1);
  const begunByAnother = { ...entry('d0', ['g1', 'active']), group: 'g0' };
  expect(judgeReport([begunByAnother], [sight('d0', 'g0')]).mismatches).toEqual([]);
  expect(other.freeGroups).toEqual([]);
});

test('a host that does not know itself proves nothing', () => {
  expect(judgeReport([entry('d0', ['g0', 'lost'])], [sight('d0', '', true)]).freeGroups).toEqual(
    [],
  );
  expect(isIdle([sight('d0', '', true)], 'd0', ['g0'])).toBe(false);
});

test('idle after a release: nobody holds it, somebody else does, or the host never touched it', () => {
  expect(isIdle([sight('d0')], 'd0', ['g0'])).toBe(true);
  expect(isIdle([sight('d0', 'g1')], 'd0', ['g0'])).toBe(true);
  expect(isIdle([], 'd0', ['g0'])).toBe(true);
  expect(isIdle([sight('d0', 'g0')], 'd0', ['g0'])).toBe(false);
});

test('a drive that is away is held until it is back; one under a grant of ours keeps it', () => {
  const away = { ...sight('d0'), away: 'being cleaned' };
  expect(judgeReport([], [away])).toMatchObject({ strangers: [away], freeDrives: [] });
  const known = judgeReport([entry('d0'), entry('d1', ['g1', 'active'])], [away]);
  expect(known).toMatchObject({ strangers: [], freeDrives: [], freeGroups: [] });
  expect(judgeReport([entry('d0')], [sight('d0')])).toMatchObject({ freeDrives: ['d0'] });
});

test('a volume that arrived in the drive of its group is told, one on its way is not', () => {
  const live = [entry('d0', ['g0', 'active'])];
  expect(judgeReport(live, [sight('d0', 'g0')]).arrived).toEqual([{ group: 'g0', mediaId: 'A' }]);
  expect(judgeReport(live, [{ ...sight('d0', 'g0'), mounted: false }]).arrived).toEqual([]);
  expect(judgeReport(live, [sight('d0', 'g9')]).arrived).toEqual([]);
  expect(judgeReport(live, [sight('d0', 'g0', true)]).arrived).toEqual([]);
});
