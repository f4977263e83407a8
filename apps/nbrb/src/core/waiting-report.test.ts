import { expect, test } from 'vitest';
import { inWords, shouldTell, TELL_EVERY_MS } from './waiting-report.ts';

test('told at once, then only what is new, and not too often', () => {
  expect(shouldTell(undefined, 'a', 0)).toBe(true);
  const told = { reason: 'a', atMs: 1_000 };
  expect(shouldTell(told, 'a', 1_000 + TELL_EVERY_MS)).toBe(false);
  expect(shouldTell(told, 'b', 1_001)).toBe(false);
  expect(shouldTell(told, 'b', 1_000 + TELL_EVERY_MS)).toBe(true);
});

test('one line, the first reason first', () => {
  expect(inWords([])).toBe('waits for resources');
  expect(inWords(['a'])).toBe('a');
  expect(inWords(['a', 'b', 'c'])).toBe('a (and 2 more: b; c)');
});
