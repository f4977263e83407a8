// AES-256-GCM for the payload areas of one segment. The key is the segment's own (nbkms derives it for each segment),
// so a nonce made of type, stream and index is never used twice.

import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { type BlockCipher, TAG_BYTES } from './block.ts';

const ALGORITHM = 'aes-256-gcm';

export function aesGcmBlockCipher(segmentKey: KeyObject): BlockCipher {
  assert(segmentKey.symmetricKeySize === 32);
  return {
    seal: (nonce, aad, plain) => {
      const cipher = createCipheriv(ALGORITHM, segmentKey, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(aad);
      const sealed = cipher.update(plain);
      cipher.final();
      return { sealed, tag: cipher.getAuthTag() };
    },
    open: (nonce, aad, sealed, tag) => {
      const decipher = createDecipheriv(ALGORITHM, segmentKey, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(aad);
      decipher.setAuthTag(tag);
      const plain = decipher.update(sealed);
      try {
        decipher.final();
      } catch (error) {
        plain.fill(0);
        throw error;
      }
      return plain;
    },
  };
}
