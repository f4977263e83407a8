import { expect, test } from 'vitest';
import { checkBounds } from './request-bounds.ts';

test.each<[string, object]>([
  ['plain', { name: 'pool', max: 2_147_483_647, on: true, at: 5n, none: null, set: ['a'] }],
  ['umlauts and blanks', { description: 'für das große Archiv' }],
  ['a message in it', { rule: { tag: 'CLN' } }],
])('%s passes', (_what, request) => {
  expect(() => checkBounds(request)).not.toThrow();
});

test.each<[string, object]>([
  ['a zero byte', { name: 'a\0b' }],
  ['two lines', { volume: { description: 'a\nb' } }],
  ['endless text', { set: ['a', 'x'.repeat(2_000)] }],
  ['a number that no column holds', { rule: { maxMounts: 4_294_967_295 } }],
  ['a time that no double holds', { expirationMs: 2n ** 63n }],
  ['too many', { mediaIds: Array.from({ length: 10_001 }, () => 'A') }],
])('%s is refused', (_what, request) => {
  expect(() => checkBounds(request)).toThrow(/^223 /);
});

test('the value is not repeated: it may be a password', () => {
  expect(() => checkBounds({ password: 'hush\n' })).toThrow(/^(?!.*hush).*password/);
});
