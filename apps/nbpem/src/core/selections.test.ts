import { expect, test } from 'vitest';
import { selectionsOf } from './selections.ts';

test('variables hold for the paths after them, until they are unset', () => {
  const includes = [
    ...['SET HIST=F', 'SET EXCLUDE = *.tmp,core', '/vol/a', 'NEW_STREAM', 'UNSET HIST', '/vol/b'],
    ...['UNSET_ALL', ' /vol/c d/ ', '/'],
  ];
  const hist = { name: 'HIST', value: 'F' };
  const exclude = { name: 'EXCLUDE', value: '*.tmp,core' };
  expect(selectionsOf(includes)).toEqual([
    { path: '/vol/a', env: [hist, exclude] },
    { path: '/vol/b', env: [exclude] },
    { path: '/vol/c d', env: [] },
    { path: '/', env: [] },
  ]);
});

test.each([
  ['SET LEVEL=3', 223],
  ['vol/relative', 223],
  ['SET HIST', 223],
  ['/vol/*', 106],
  ['ALL_FILESYSTEMS', 106],
])('%s is refused with %i', (line, code) => {
  expect(() => selectionsOf([line])).toThrow(new RegExp(`^${code} `));
});
