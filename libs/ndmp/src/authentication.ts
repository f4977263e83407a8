// The MD5 challenge answer of CONNECT_CLIENT_AUTH. Only the password's first 32 bytes count, and the
// user name does not enter the digest.

import { createHash, timingSafeEqual } from 'node:crypto';

export const CHALLENGE_BYTES = 64;
const PASSWORD_BYTES_MAX = 32;
const MESSAGE_BYTES = 128;

/** MD5 over password, zeros, challenge, password: 128 bytes in all. */
export function md5Answer(password: string, challenge: Buffer): Buffer {
  const secret = Buffer.from(password, 'utf8').subarray(0, PASSWORD_BYTES_MAX);
  const message = Buffer.alloc(MESSAGE_BYTES);
  secret.copy(message, 0);
  challenge.copy(message, CHALLENGE_BYTES - secret.length);
  secret.copy(message, MESSAGE_BYTES - secret.length);
  return createHash('md5').update(message).digest();
}

/** Compares secrets of any length in a time that tells nothing about where they differ. */
export function sameSecret(a: Buffer, b: Buffer): boolean {
  const digest = (value: Buffer): Buffer => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(a), digest(b));
}
