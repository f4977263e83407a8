import { expect, test } from 'vitest';
import { type LeaseFacts, leaseState } from './lease.ts';

const leading: LeaseFacts = { epoch: 3n, superseded: false, reachable: true, heldUntilMs: 1_000 };

test.each<[string, Partial<LeaseFacts>, number, string]>([
  ['a renewed lease leads', {}, 999, 'leader'],
  ['an overdue renewal acts on nothing', {}, 1_000, 'notReady'],
  ['an unreachable database acts on nothing', { reachable: false }, 0, 'notReady'],
  ['without an epoch it stands by', { epoch: undefined }, 0, 'standby'],
  [
    'a standby that cannot reach the database is not ready',
    { epoch: undefined, reachable: false },
    0,
    'notReady',
  ],
  [
    'a newer epoch ends it, whatever else is true',
    { superseded: true, reachable: false },
    0,
    'lost',
  ],
])('%s', (_, change, nowMs, expected) => {
  expect(leaseState({ ...leading, ...change }, nowMs)).toBe(expected);
});
