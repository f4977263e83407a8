import { expect, test } from 'vitest';
import { addSession, findSession, removeSession, type Sessions } from './sessions.ts';

const LIMITS = { lifeMs: 1_000, sessionsMax: 3 };

test('a session lives for its time and no longer', () => {
  const { sessions } = addSession(new Map(), { digest: 'a', user: 'ann' }, 0, LIMITS);
  expect(findSession(sessions, 'a', 999)?.user).toBe('ann');
  expect(findSession(sessions, 'a', 1_000)).toBeNull();
  expect(findSession(sessions, 'b', 0)).toBeNull();
  expect(findSession(removeSession(sessions, 'a'), 'a', 0)).toBeNull();
});

test('there are never more than the most; the oldest goes', () => {
  let sessions: Sessions = new Map();
  for (let i = 0; i < 5; i += 1) {
    sessions = addSession(sessions, { digest: `d${i}`, user: 'ann' }, i, LIMITS).sessions;
  }
  expect([...sessions.keys()]).toEqual(['d2', 'd3', 'd4']);
  const later = addSession(sessions, { digest: 'new', user: 'ann' }, 5_000, LIMITS).sessions;
  expect([...later.keys()]).toEqual(['new']);
});
