import { expect, test } from 'vitest';
import { checkedPassphrase, estimateBits } from './passphrase.ts';

const check = (text: string) => checkedPassphrase(Buffer.from(text, 'utf8'));

test.each([
  ['trailing blank long enough ', 'passphraseEncoding'],
  ['a control\u0007 sign in the middle', 'passphraseEncoding'],
  ['fifteen signs..', 'passphraseWeak'],
  ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'passphraseWeak'],
  ['x'.repeat(1_025), 'passphraseWeak'],
])('%j is refused: %s', (text, status) => {
  expect(() => check(text)).toThrow(expect.objectContaining({ status }));
});

test('bytes that are no UTF-8 are refused', () => {
  const bytes = Buffer.concat([Buffer.from('long enough, but for '), Buffer.from([0xff])]);
  expect(() => checkedPassphrase(bytes)).toThrow(/1243/);
});

test('however it was typed, it is one text', () => {
  expect(check('un café noir, deux sucres')).toBe(check('un cafe\u0301 noir, deux sucres'));
  expect(check('correct horse battery staple!')).toBe('correct horse battery staple!');
});

test('repeated signs count little', () => {
  expect(estimateBits('abababababababab')).toBeLessThan(30);
  expect(estimateBits('correct horse battery staple!')).toBeGreaterThan(100);
});
