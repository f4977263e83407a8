import fc from 'fast-check';
import { expect, test } from 'vitest';
import { aclAttribute, aclText } from './posix-acl.ts';

const bits = fc.nat(7);
const id = fc.nat(0xffff_fffe);
const named = (tag: number) =>
  fc
    .uniqueArray(id, { maxLength: 5 })
    .chain((ids) =>
      fc.tuple(...ids.sort((a, b) => a - b).map((one) => bits.map((b) => [tag, b, one] as const))),
    );
const plain = (tag: number) => bits.map((b) => [[tag, b, 0xffff_ffff] as const]);
const acl = fc.tuple(plain(1), named(2), plain(4), named(8), plain(16), plain(32)).map((parts) => {
  const entries = parts.flat();
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2);
  for (const [i, [tag, b, one]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i);
    bytes.writeUInt16LE(b, 6 + 8 * i);
    bytes.writeUInt32LE(one, 8 + 8 * i);
  }
  return bytes;
});

test('every ACL survives as text', () => {
  fc.assert(
    fc.property(acl, (attribute) => {
      expect(aclAttribute(aclText(attribute) ?? '')).toEqual(attribute);
    }),
  );
});

test('the text is the one that tar knows', () => {
  const attribute = aclAttribute(
    'user::rw-\nuser:1234:r--  # a person\ngroup::r--,mask::r--,other::---',
  );
  expect(aclText(attribute ?? Buffer.alloc(0))).toBe(
    'user::rw-,user:1234:r--,group::r--,mask::r--,other::---',
  );
});

test.each(['user:alice:rw-', 'user::rwz', 'who::rw-', 'mask:5:rw-', 'user:99999999999:r--'])(
  '%s is not taken',
  (text) => expect(aclAttribute(text)).toBeUndefined(),
);

test('attributes of another form have no text', () => {
  expect(aclText(Buffer.from([1, 0, 0, 0]))).toBeUndefined();
  expect(aclText(Buffer.from([2, 0, 0, 0, 9]))).toBeUndefined();
  expect(aclText(Buffer.from([2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]))).toBeUndefined();
});
