import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renamed } from './rename.ts';

const change = (path: string, ...rules: [string, string][]) =>
  Buffer.from(
    renamed(
      Buffer.from(path),
      rules.map(([from, to]) => ({ from: Buffer.from(from), to: Buffer.from(to) })),
    ),
  ).toString();

test.each<[string, [string, string][], string]>([
  ['/vol/home/a', [['/vol/home', '/restore']], '/restore/a'],
  ['/vol/home', [['/vol/home', '/restore']], '/restore'],
  ['/vol/home/a', [['/vol/home/', '/restore/']], '/restore/a'],
  ['/vol/home2/a', [['/vol/home', '/restore']], '/vol/home2/a'],
  ['/vol/home/a', [['/', '/tmp']], '/tmp/vol/home/a'],
  ['/vol/home/a', [['/vol/home', '/']], '/a'],
  ['/vol/home', [['/vol/home', '/']], '/'],
  [
    '/a/x',
    [
      ['/a', '/b'],
      ['/b', '/a'],
    ],
    '/b/x',
  ],
  [
    '/b/x',
    [
      ['/a', '/b'],
      ['/b', '/a'],
    ],
    '/a/x',
  ],
  ['/vol/home/a', [], '/vol/home/a'],
])('%s by %j becomes %s', (path, rules, expected) => {
  expect(change(path, ...rules)).toBe(expected);
});

test('bytes that are no UTF-8 are kept as they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (rest) => {
      const path = Buffer.concat([Buffer.from('/vol/'), rest]);
      const moved = renamed(path, [{ from: Buffer.from('/vol'), to: Buffer.from('/new') }]);
      expect(Buffer.from(moved)).toEqual(Buffer.concat([Buffer.from('/new/'), rest]));
    }),
  );
});
