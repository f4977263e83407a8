import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  fragmentName,
  parseFragmentName,
  tokenOfUnfinished,
  unfinishedName,
} from './fragment-name.ts';

const names = fc.record({
  backupId: fc.string({ minLength: 1, maxLength: 22, unit: 'binary' }),
  copy: fc.integer({ min: 1, max: 999_999 }),
  fragment: fc.integer({ min: 1, max: 999_999 }),
});

test('an ordinary fragment is called as administrators know it', () => {
  const name = { backupId: 'filer-1.example_1700000000', copy: 1, fragment: 2 };
  expect(fragmentName(name)).toBe('filer-1.example_1700000000_C1_F2.img');
});

test('every name that is given can be read back, and is one file name', () => {
  fc.assert(
    fc.property(names, (name) => {
      let file: string;
      try {
        file = fragmentName(name);
      } catch (error) {
        expect(error).toMatchObject({ status: 'invalidParameter' });
        return;
      }
      expect(file).not.toMatch(/[/\0]|^\./);
      expect(Buffer.byteLength(file)).toBeLessThanOrEqual(255);
      expect(parseFragmentName(file)).toEqual(name);
    }),
  );
});

test('what is no fragment has no name, whoever put it there', () => {
  const strange = [
    'a_C1_F1',
    'a_C0_F1.img',
    'a_C01_F1.img',
    '_C1_F1.img',
    '.a_C1_F1.img',
    'a b_C1_F1.img',
  ];
  for (const file of [
    ...strange,
    '%zz_C1_F1.img',
    '%61_C1_F1.img',
    'disk.sqlite',
    unfinishedName('x'),
  ]) {
    expect(parseFragmentName(file), file).toBeNull();
  }
  const token = '123e4567-e89b-12d3-a456-426614174000';
  expect(tokenOfUnfinished(unfinishedName(token))).toBe(token);
  expect(tokenOfUnfinished('.x.part')).toBeNull();
});
