import { describe, expect, test } from 'vitest';
import { PathPatterns, splitPatterns } from './path-patterns.ts';

test('lists part at commas and lines, but not at escaped commas', () => {
  expect(splitPatterns('a, b\nc\\,d,,e\\*')).toEqual(['a', 'b', 'c,d', 'e\\*']);
});

describe('what is left out', () => {
  test.each([
    ['*.o', 'src/x.o', true],
    ['*.o', 'src/x.old', false],
    ['src/*.o', 'src/x.o', true],
    ['src/*.o', 'src/sub/x.o', false],
    ['src/**.o', 'src/sub/x.o', true],
    ['/tmp', 'tmp', true],
    ['/tmp', 'a/tmp', false],
    ['tmp', 'a/tmp', true],
    ['./a/b/', 'a/b', true],
    ['a?c', 'abc', true],
    ['a[!b]c', 'abc', false],
    ['a[0-9]', 'a7', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['(a+)+$', '(a+)+$', true],
    ['\xe9*', '\xe9\xff', true],
    ['*'.repeat(99), 'a', false],
  ])('EXCLUDE=%s: %s %s', (pattern, path, isOut) => {
    const verdict = new PathPatterns([pattern], []).verdict(path, false, 'in');
    expect(verdict).toBe(isOut ? 'out' : 'in');
  });
});

describe('what a backup is limited to', () => {
  const patterns = new PathPatterns(['*.o'], ['/src/lib', 'docs/*.md', '/deep/**/x']);
  test.each([
    ['src', true, 'onTheWay', 'onTheWay'],
    ['src/lib', true, 'onTheWay', 'in'],
    ['src/lib/a.c', false, 'in', 'in'],
    ['src/lib/a.o', false, 'in', 'out'],
    ['src/other', true, 'onTheWay', 'out'],
    ['src', false, 'onTheWay', 'out'],
    ['docs/a.md', false, 'onTheWay', 'in'],
    ['docs/a.txt', false, 'onTheWay', 'out'],
    ['deep/a/b', true, 'onTheWay', 'onTheWay'],
    ['deep/a/b/x', false, 'onTheWay', 'in'],
  ] as const)('%s (a directory: %s) below %s is %s', (path, isDirectory, above, expected) => {
    expect(patterns.verdict(path, isDirectory, above)).toBe(expected);
  });

  test('a name alone may be anywhere', () => {
    const anywhere = new PathPatterns([], ['*.c']);
    expect(anywhere.rootVerdict).toBe('onTheWay');
    expect(anywhere.verdict('any/where', true, 'onTheWay')).toBe('onTheWay');
    expect(anywhere.verdict('any/where/a.c', false, 'onTheWay')).toBe('in');
  });
});
