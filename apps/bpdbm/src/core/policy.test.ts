import type { Policy, Schedule } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { checkPolicy, emptyPolicy, pathKey, pathsOf } from './policy.ts';

const policy = (more: Partial<Policy>): Policy => ({ ...emptyPolicy('p'), ...more });
const window = (startS: number, durationS: number) => ({ startS, durationS });
const closed = window(0, 0);
const schedule = (more: Partial<Schedule>): Schedule => ({
  ...{ name: 's', type: 'SCHEDULE_TYPE_FULL', frequencyS: 86_400, retentionLevel: 1, windows: [] },
  ...{ residence: '', pool: '', multiplexing: 0, ...more },
});

test('a good policy passes', () => {
  const includes = ['NEW_STREAM', 'SET HIST=F', '/vol/a', 'UNSET HIST', '/vol/b/'];
  expect(() => checkPolicy(policy({ includes, clients: ['filer1'] }))).not.toThrow();
  expect(pathsOf(includes)).toEqual(['/vol/a', '/vol/b']);
  expect(pathKey('/')).toBe('/');
});

test.each<[string, RegExp, Partial<Policy>]>([
  ['a name with a space', /223/, { name: 'a b' }],
  ['no name', /152/, { name: '' }],
  ['another type', /16 /, { type: 'Standard' }],
  ['a client twice', /224/, { clients: ['a', 'a'] }],
  ['a path twice', /224/, { includes: ['/a', '/a/'] }],
  ['a wildcard', /106/, { includes: ['/a/*'] }],
  ['a word', /223/, { includes: ['a'] }],
  ['a schedule twice', /224/, { schedules: [schedule({}), schedule({})] }],
  ['a retention level over 100', /223/, { schedules: [schedule({ retentionLevel: 101 })] }],
  ['more streams on a drive than 32', /223/, { schedules: [schedule({ multiplexing: 33 })] }],
  ['three windows', /223/, { schedules: [schedule({ windows: [closed, closed, closed] })] }],
])('%s is refused', (_what, error, more) => {
  expect(() => checkPolicy(policy(more))).toThrow(error);
});

test('windows may pass midnight and the end of the week, and may not overlap', () => {
  const week = (sunday: [number, number], monday: [number, number], saturday: [number, number]) => [
    ...[window(...sunday), window(...monday), closed, closed, closed, closed],
    window(...saturday),
  ];
  const check = (...days: Parameters<typeof week>) =>
    checkPolicy(policy({ schedules: [schedule({ windows: week(...days) })] }));
  expect(() => check([72_000, 20_000], [72_000, 20_000], [72_000, 20_000])).not.toThrow();
  expect(() => check([72_000, 90_000], [72_000, 10], [0, 0])).toThrow(/231/);
  expect(() => check([100, 10], [0, 0], [86_300, 500])).toThrow(/231/);
});
