// A filer's user and password on their way from nbemm to one ndmpagent: sealed to a key that the agent made for
// this one call, so that neither the bus nor a log on the way can read it. Both sides of the rule stand here.

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

export interface NdmpCredential {
  readonly user: string;
  readonly password: string;
}

/** The last three fields of GetNdmpCredentialReply. */
export interface SealedCredential {
  /** Raw X25519 public key (32 bytes) of the sealing side. */
  readonly publicKey: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** AES-256-GCM ciphertext with its 16-byte tag at the end. */
  readonly sealed: Uint8Array;
}

/** The asker's half: send `publicKey`, keep `privateKey` until the answer is open, then forget it. */
export interface CredentialKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const INFO = 'tapestry ndmp credential 1';
/** The fixed front of a DER SubjectPublicKeyInfo for X25519; the raw key follows. */
const SPKI_FRONT = Buffer.from('302a300506032b656e032100', 'hex');

export function makeCredentialKey(): CredentialKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawKey(publicKey), privateKey };
}

/** Errors: 20 the asker's key is not an X25519 public key. */
export function sealCredential(credential: NdmpCredential, askerKey: Uint8Array): SealedCredential {
  const own = makeCredentialKey();
  const key = deriveKey(own.privateKey, askerKey, askerKey, own.publicKey);
  const nonce = randomBytes(12);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  const { user, password } = credential;
  const clear = Buffer.from(JSON.stringify({ user, password }), 'utf8');
  const sealed = Buffer.concat([cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
  clear.fill(0);
  return { publicKey: own.publicKey, nonce, sealed };
}

/** Errors: 116 when it was sealed for another key or changed on the way. */
export function openCredential(answer: SealedCredential, own: CredentialKey): NdmpCredential {
  try {
    const key = deriveKey(own.privateKey, answer.publicKey, own.publicKey, answer.publicKey);
    const sealed = Buffer.from(answer.sealed);
    const decipher = createDecipheriv(CIPHER, key, answer.nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const body = sealed.subarray(0, -TAG_BYTES);
    const clear = Buffer.concat([decipher.update(body), decipher.final()]);
    const { user, password } = JSON.parse(clear.toString('utf8')) as NdmpCredential;
    clear.fill(0);
    return { user, password };
  } catch (error) {
    const why = 'the credential in the answer cannot be opened with the key of this call';
    throw new StatusError('authenticationFailed', why, {}, { cause: error });
  }
}

/** HKDF-SHA256 over the shared secret; the salt binds both public keys, the asker's first. */
function deriveKey(
  privateKey: KeyObject,
  peerKey: Uint8Array,
  askerKey: Uint8Array,
  sealerKey: Uint8Array,
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
  const salt = Buffer.concat([askerKey, sealerKey]);
  return Buffer.from(hkdfSync('sha256', secret, salt, INFO, KEY_BYTES));
}

function rawKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES));
}
