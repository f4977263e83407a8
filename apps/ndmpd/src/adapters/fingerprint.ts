// The place of a directory in eight bytes; see core/directory-set.ts.

import { createHash } from 'node:crypto';

/** Cryptographic, since names are chosen by those who are backed up. */
export function fingerprint(parent: bigint, name: string, inode: bigint): bigint {
  const fixed = Buffer.allocUnsafe(16);
  fixed.writeBigUInt64LE(parent, 0);
  fixed.writeBigUInt64LE(BigInt.asUintN(64, inode), 8);
  const digest = createHash('sha256').update(fixed).update(name, 'latin1').digest();
  return digest.readBigUInt64LE(0);
}
