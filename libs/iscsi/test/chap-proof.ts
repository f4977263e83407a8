// The other side's arithmetic of CHAP, written apart from ours.

import { createHash } from 'node:crypto';

const HASHES: Readonly<Record<number, string>> = {
  5: 'md5',
  6: 'sha1',
  7: 'sha256',
  8: 'sha3-256',
};

export function chapAnswer(
  algorithm: number,
  identifier: number,
  secret: string,
  challenge: Buffer,
): string {
  const message = Buffer.concat([Buffer.of(identifier), Buffer.from(secret), challenge]);
  return `0x${createHash(HASHES[algorithm] ?? 'md5')
    .update(message)
    .digest('hex')}`;
}
