// A secret on its way over the bus: sealed to a key that its reader made, so that neither the bus nor a log on the way
// can read it. Both sides of the rule stand here.

import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { StatusError } from '@tapestry/status';

export interface SealedBytes {
  /** Raw X25519 public key (32 bytes) of the sealing side. */
  readonly publicKey: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** AES-256-GCM ciphertext with its 16-byte tag at the end. */
  readonly sealed: Uint8Array;
}

/** The reader's half: `publicKey` is given out, `privateKey` stays. */
export interface ReaderKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** What it is for: opened for another, it does not open. */
export type SealPurpose = 'ndmp credential' | 'kms passphrase' | 'kms segment';

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** The fixed front of a DER SubjectPublicKeyInfo for X25519; the raw key follows. */
const SPKI_FRONT = Buffer.from('302a300506032b656e032100', 'hex');

export function makeReaderKey(): ReaderKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawKey(publicKey), privateKey };
}

/** Errors: 20 no X25519 public key. */
export function sealBytes(
  clear: Uint8Array,
  readerKey: Uint8Array,
  purpose: SealPurpose,
): SealedBytes {
  const own = makeReaderKey();
  const key = deriveKey(own.privateKey, readerKey, {
    reader: readerKey,
    sealer: own.publicKey,
    purpose,
  });
  const nonce = randomBytes(12);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  const sealed = Buffer.concat([cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
  return { publicKey: own.publicKey, nonce, sealed };
}

/** The caller overwrites it after use. Errors: 116 sealed for another key or purpose, or changed on the way. */
export function openBytes(answer: SealedBytes, own: ReaderKey, purpose: SealPurpose): Buffer {
  try {
    const { publicKey: sealer } = answer;
    const key = deriveKey(own.privateKey, sealer, { reader: own.publicKey, sealer, purpose });
    const sealed = Buffer.from(answer.sealed);
    const decipher = createDecipheriv(CIPHER, key, answer.nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const body = sealed.subarray(0, -TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch (error) {
    const why = 'what was sealed cannot be opened with the key of this call';
    throw new StatusError('authenticationFailed', why, {}, { cause: error });
  }
}

/** HKDF-SHA256 over the shared secret; the salt binds both public keys, the reader's first. */
function deriveKey(
  privateKey: KeyObject,
  peerKey: Uint8Array,
  bound: {
    readonly reader: Uint8Array;
    readonly sealer: Uint8Array;
    readonly purpose: SealPurpose;
  },
): Buffer {
  if (peerKey.length !== KEY_BYTES) {
    throw new StatusError('invalidParameter', 'the public key must be 32 bytes of X25519');
  }
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI_FRONT, peerKey]),
    format: 'der',
    type: 'spki',
  });
  const secret = diffieHellman({ privateKey, publicKey });
  const salt = Buffer.concat([bound.reader, bound.sealer]);
  return Buffer.from(hkdfSync('sha256', secret, salt, `tapestry ${bound.purpose} 1`, KEY_BYTES));
}

function rawKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES));
}
