import { expect, test } from 'vitest';
import {
  countAttempt,
  forgiveAttempt,
  type LoginFailures,
  waitBeforeLogin,
} from './login-limits.ts';

const RULES = { windowMs: 1_000, perUserMax: 2, perAddressMax: 4, keysMax: 6 };

function after(attempts: readonly { address: string; user: string }[], nowMs = 0): LoginFailures {
  return attempts.reduce<LoginFailures>(
    (failures, attempt) => countAttempt(failures, attempt, nowMs, RULES),
    new Map(),
  );
}

const ann = { address: '10.0.0.1', user: 'ann' };

test('a user may be tried twice in a window, then waits its rest', () => {
  const failures = after([ann, ann]);
  expect(waitBeforeLogin(after([ann]), ann, 0, RULES)).toBe(0);
  expect(waitBeforeLogin(failures, ann, 400, RULES)).toBe(600);
  expect(waitBeforeLogin(failures, ann, 1_000, RULES)).toBe(0);
});

test('a stranger elsewhere locks nobody out', () => {
  const failures = after([ann, ann, ann]);
  expect(waitBeforeLogin(failures, { ...ann, address: '10.0.0.2' }, 0, RULES)).toBe(0);
});

test('an address may not try one name after the other', () => {
  const failures = after(['a', 'b', 'c', 'd'].map((user) => ({ ...ann, user })));
  expect(waitBeforeLogin(failures, { ...ann, user: 'e' }, 0, RULES)).toBe(1_000);
});

test('a good password forgets, and the memory is bounded', () => {
  const failures = after([ann, ann]);
  expect(waitBeforeLogin(forgiveAttempt(failures, ann, RULES), ann, 0, RULES)).toBe(0);
  const many = Array.from({ length: 50 }, (_, i) => ({ address: `10.0.1.${i}`, user: 'x' }));
  expect(after(many).size).toBe(RULES.keysMax);
});
