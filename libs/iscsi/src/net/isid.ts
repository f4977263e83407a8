// The initiator session id of RFC 7143, 11.12.5: six bytes that a target remembers a session by.

import { createHash } from 'node:crypto';

/** Of the random kind, derived from what stays the same: the same seed gives the same session after a restart. */
export function makeIsid(seed: string): Buffer {
  const hash = createHash('sha256').update(seed).digest();
  return Buffer.from([0x80, ...hash.subarray(0, 5)]);
}
