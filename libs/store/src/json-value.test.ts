import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromJson, toJsonText } from './json-value.ts';

const leaf = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.bigInt(),
  fc.uint8Array(),
);
const field = fc.string().filter((name) => !name.startsWith('$') && name !== '__proto__');
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(field, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

test('whatever goes in comes out, with bigint and bytes', () => {
  fc.assert(
    fc.property(value, (given) => {
      expect(fromJson(JSON.parse(toJsonText(given)))).toStrictEqual(given);
    }),
  );
});

test('refuses what it could not give back', () => {
  expect(() => toJsonText({ $int: '1' })).toThrow(/\$int/);
  expect(() => toJsonText(new Date(0))).toThrow(/plain objects/);
  expect(() => toJsonText(Number.NaN)).toThrow(/NaN/);
});
