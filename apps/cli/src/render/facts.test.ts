import { expect, test } from 'vitest';
import { factsText } from './facts.ts';

test('a long fact goes on below its own beginning, and an empty one is a dash', () => {
  const words = Array.from({ length: 30 }, (_, index) => `attribute${index}`);
  const text = factsText([
    { group: 'backup type', name: 'tar', value: words.join(' ') },
    { group: 'backup type', name: 'dump', value: '' },
  ]);
  const lines = text.split('\n');
  expect(lines.every((line) => line.length <= 100)).toBe(true);
  expect(lines.slice(0, 4).map((line) => line.slice(0, 20))).toEqual([
    '',
    'backup type',
    '  tar:   attribute0 ',
    '         attribute8 ',
  ]);
  expect(text.replaceAll(/\s+/g, ' ')).toContain(words.join(' '));
  expect(lines.at(-2)).toBe('  dump:  -');
});

test('a word longer than a line is not broken', () => {
  const name = 'x'.repeat(150);
  expect(factsText([{ group: 'g', name: 'n', value: `a ${name} b` }])).toContain(name);
});
