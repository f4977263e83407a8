import { expect, test } from 'vitest';
import {
  capital,
  countWords,
  durationWords,
  exactTime,
  rateWords,
  relativeWords,
  shortTime,
  sizeWords,
} from './words.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.00 kB'],
  [999_499, '999 kB'],
  [999_501, '1.00 MB'],
  [12_340_000_000, '12.3 GB'],
  [9_007_199_254_740_991, '9.01 PB'],
])('%i bytes are %s', (bytes, words) => {
  expect(sizeWords(bytes)).toBe(words);
});

test.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [65_000, '1 min 05 s'],
  [3_600_000 + 7 * 60_000, '1 h 07 min'],
  [50 * 3_600_000, '2 d 2 h'],
])('%i ms are %s', (durationMs, words) => {
  expect(durationWords(durationMs)).toBe(words);
});

test('ages and what is to come', () => {
  expect(relativeWords(1_000, 1_500)).toBe('now');
  expect(relativeWords(0, 12_000)).toBe('12 s ago');
  expect(relativeWords(0, 5_400_000)).toBe('2 h ago');
  expect(relativeWords(0, 3 * 86_400_000)).toBe('3 d ago');
  expect(relativeWords(240_000, 0)).toBe('in 4 min');
});

test('times of today are short, others name their day', () => {
  const noon = new Date(2026, 2, 14, 12, 0, 5).getTime();
  expect(exactTime(noon)).toBe('2026-03-14 12:00:05');
  expect(shortTime(noon, noon + 1_000)).toBe('12:00:05');
  expect(shortTime(noon, noon + 86_400_000)).toBe('2026-03-14 12:00');
});

test('counts, rates and capitals', () => {
  expect(countWords(1234567)).toBe('1\u202f234\u202f567');
  expect(rateWords(112_000_000)).toBe('112 MB/s');
  expect(capital('writing')).toBe('Writing');
  expect(capital('')).toBe('');
});
