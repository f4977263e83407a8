import { expect, test } from 'vitest';
import { startTicksOf } from './process-identity.ts';

test('the start time is found behind a name with brackets and spaces', () => {
  const rest = 'S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 998877 20 21';
  expect(startTicksOf(`42 (a) b (c) ${rest}`)).toBe('998877');
  expect(startTicksOf('42 (x) S')).toBe(null);
});
