import { expect, test } from 'vitest';
import { makeReaderKey } from './sealed-bytes.ts';
import { openCredential, sealCredential } from './sealed-credential.ts';

const credential = { user: 'backup', password: 'pä$$ word' };

test('what is sealed to a key opens with it, and with no other', () => {
  const key = makeReaderKey();
  const sealed = sealCredential(credential, key.publicKey);
  expect(openCredential(sealed, key)).toEqual(credential);
  expect(() => openCredential(sealed, makeReaderKey())).toThrow(/116 authenticationFailed/);
});

test('a changed answer is refused, and the password stands nowhere in it', () => {
  const key = makeReaderKey();
  const answer = sealCredential(credential, key.publicKey);
  expect(Buffer.from(answer.sealed).includes(credential.password)).toBe(false);
  const sealed = new Uint8Array(answer.sealed);
  sealed[0] = (sealed[0] ?? 0) ^ 1;
  expect(() => openCredential({ ...answer, sealed }, key)).toThrow(/116/);
});

test('a key that is none is refused', () => {
  expect(() => sealCredential(credential, new Uint8Array(5))).toThrow(/20 invalidParameter/);
});
