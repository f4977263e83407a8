// The key of one segment, made of its group's key, a salt and the header of its fragment: another header makes another
// key, and the commitment tells so before the first block is opened.

import { hkdfSync } from 'node:crypto';
import { KEY_BYTES } from './sealing.ts';

export const SALT_BYTES = 32;
export const HEADER_HASH_BYTES = 32;

export interface SegmentKeys {
  /** The caller overwrites it after use. */
  readonly segmentKey: Buffer;
  /** Public: stands on the medium. */
  readonly commitment: Buffer;
}

export function segmentKeysOf(
  groupKey: Buffer,
  salt: Uint8Array,
  headerHash: Uint8Array,
): SegmentKeys {
  const derive = (name: string) => {
    const info = Buffer.concat([Buffer.from(name, 'latin1'), headerHash]);
    return Buffer.from(hkdfSync('sha256', groupKey, salt, info, KEY_BYTES));
  };
  return { segmentKey: derive('nbimg-seg-key-v1'), commitment: derive('nbimg-seg-commit-v1') };
}
