import { expect, test } from 'vitest';
import { patternToRegex } from './pattern.ts';

const matches = (pattern: string, text: string) => {
  const regex = patternToRegex(pattern, false).replace('(?s)', '');
  return new RegExp(`^(?:${regex})$`, 's').test(text);
};

test.each([
  ['*.txt', 'a.txt', true],
  ['*.txt', 'a.txt2', false],
  ['?', 'ä', true],
  ['?', 'ab', false],
  ['[a-c]x', 'bx', true],
  ['[!a-c]x', 'bx', false],
  ['[!a-c]x', 'dx', true],
  ['[^a]', '^', true],
  ['[c-a]', '-', true],
  ['[]]', ']', true],
  ['[', '[', true],
  ['a[', 'a[', true],
  ['\\*', '*', true],
  ['\\*', 'x', false],
  ['a.b', 'axb', false],
  ['(a|b)', '(a|b)', true],
  ['', '', true],
  ['', 'a', false],
  ['*', 'line\nfeed', true],
  ['trailing\\', 'trailing\\', true],
])('%s on %s: %s', (pattern, text, expected) => {
  expect(matches(pattern, text)).toBe(expected);
});
