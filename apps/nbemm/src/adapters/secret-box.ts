// Filer passwords at rest: AES-256-GCM under one key from a secret file, so that the database alone is no use to a
// thief. Whose it is is authenticated with it: a sealed password cannot be moved to another host's row.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { StatusError } from '@tapestry/status';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

export interface SecretBox {
  seal(owner: string, password: string): Buffer;
  /** Errors: 116 when it was sealed under another key or for another owner. */
  open(owner: string, sealed: Uint8Array): string;
}

/** `host`, `host/media server`, or nothing for the default of all hosts: no host's name has a slash. */
export function credentialOwner(key: { ndmpHost: string; mediaServer: string }): string {
  return key.mediaServer === '' ? key.ndmpHost : `${key.ndmpHost}/${key.mediaServer}`;
}

export function makeSecretBox(key: Uint8Array): SecretBox {
  return {
    seal: (owner, password) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(aad(owner));
      const body = Buffer.concat([cipher.update(password, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, body, cipher.getAuthTag()]);
    },
    open: (owner, sealed) => {
      try {
        const bytes = Buffer.from(sealed);
        const nonce = bytes.subarray(0, NONCE_BYTES);
        const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
        decipher.setAAD(aad(owner));
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
        const body = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      } catch (error) {
        const whose = owner === '' ? 'all NDMP hosts' : `NDMP host ${owner}`;
        const why = `the password of ${whose} was sealed under another key: set it again with tpconfig`;
        throw new StatusError('authenticationFailed', why, {}, { cause: error });
      }
    },
  };
}

function aad(owner: string): Buffer {
  return Buffer.from(`tapestry/nbemm/ndmp-host/${owner}`, 'utf8');
}

/**
 * The key of a file: 64 hexadecimal digits as they are, any other secret of at least 32 signs through HKDF. With
 * `makeMissing` an absent file is made, mode 0400. Errors: 12 the file cannot be read, 223 it is too short.
 */
export function readSealKey(path: string, makeMissing: boolean): Buffer {
  if (makeMissing && !existsSync(path)) makeKeyFile(path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const why = `the seal key file ${path} cannot be read`;
    throw new StatusError('fileOpenFailed', why, {}, { cause: error });
  }
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  if (text.length < KEY_BYTES) {
    throw new StatusError(
      'invalidEntry',
      `the secret in ${path} is shorter than ${KEY_BYTES} signs`,
    );
  }
  return Buffer.from(hkdfSync('sha256', text, '', 'tapestry nbemm seal key', KEY_BYTES));
}

/** Written aside and linked, so that a crash never leaves half a key under the name. */
function makeKeyFile(path: string): void {
  const aside = `${path}.${process.pid}`;
  const fd = openSync(aside, 'wx', 0o400);
  try {
    writeSync(fd, `${randomBytes(KEY_BYTES).toString('hex')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    linkSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(aside);
  }
}
