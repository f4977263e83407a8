// A key under another key (RFC 3394): no nonce to keep, and a wrong key shows.

import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Secret } from './sealing.ts';

const WRAP = 'id-aes256-wrap';
const IV = Buffer.alloc(8, 0xa6);

/** Eight bytes longer than `secret`. */
export function wrapKey(under: Secret, secret: Buffer): Buffer {
  const cipher = createCipheriv(WRAP, under, IV);
  return Buffer.concat([cipher.update(secret), cipher.final()]);
}

/** The caller overwrites it after use. Throws when it was wrapped under another key, or changed. */
export function unwrapKey(under: Secret, wrapped: Buffer): Buffer {
  const decipher = createDecipheriv(WRAP, under, IV);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}
