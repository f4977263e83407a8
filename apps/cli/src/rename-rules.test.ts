import { expect, test } from 'vitest';
import { parseRenameRules } from './rename-rules.ts';

test('rules keep their order, and blanks in paths', () => {
  expect(
    parseRenameRules(['change /vol/a b to /vol/c', '# a remark', ' rename /x to /y to z ']),
  ).toEqual([
    { from: Buffer.from('/vol/a b'), to: Buffer.from('/vol/c') },
    { from: Buffer.from('/x'), to: Buffer.from('/y to z') },
  ]);
});

test.each(['change /a', 'change a to b', 'move /a to /b', 'change /a to b'])(
  '%s is refused',
  (line) => {
    expect(() => parseRenameRules([line])).toThrow(/change \/from to \/to/);
  },
);
