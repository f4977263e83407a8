import { expect, test } from 'vitest';
import { chooseCredential } from './credential-choice.ts';

const near = { ndmpHost: 'f', mediaServer: 'm' };
const own = { ndmpHost: 'f', mediaServer: '' };
const all = { ndmpHost: '', mediaServer: '' };
const need = { ...near, useGlobal: false };

test('the nearest credential is taken', () => {
  expect(chooseCredential([all, own, near], need)).toBe(near);
  expect(chooseCredential([all, own, near], { ...need, mediaServer: 'other' })).toBe(own);
  expect(chooseCredential([all], need)).toBe(all);
  expect(chooseCredential([{ ...own, ndmpHost: 'g' }], need)).toBeUndefined();
});

test('a host that was told to takes the default before its own, but not before one for the media server', () => {
  const told = { ...need, useGlobal: true };
  expect(chooseCredential([own, all], told)).toBe(all);
  expect(chooseCredential([own, all, near], told)).toBe(near);
  expect(chooseCredential([own], { ...told, mediaServer: '' })).toBeUndefined();
});
