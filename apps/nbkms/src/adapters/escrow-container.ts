// The file in which keys travel: a clear header, and under a key that a passphrase opens, the groups and keys in sealed
// chunks, of which none can be changed, exchanged, taken out or left away at the end. Integers are big-endian.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { StatusError } from '@tapestry/status';
import { TAG_BYTES } from '../core/container.ts';
import { type DerivationPolicy, keyFromPassphrase } from './key-derivation.ts';
import { unwrapKey, wrapKey } from './key-wrap.ts';
import { KEY_BYTES } from './sealing.ts';

const MAGIC = 'NBKMSEXP';
const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const CHUNK_BYTES = 64 * 1024;
const DIGEST_BYTES = 32;

/** Offsets in the header. */
const AT = {
  version: 8,
  profile: 10,
  storeId: 16,
  madeMs: 32,
  groups: 40,
  keys: 44,
  kdfSalt: 48,
  wrappedKey: 80,
  payloadSalt: 120,
  mac: 136,
} as const;
const HEADER_BYTES = AT.mac + 32;

export interface EscrowHead {
  readonly storeId: Buffer;
  readonly madeMs: number;
  readonly groups: number;
  readonly keys: number;
}

/** Some seconds of work. Errors: 1244. */
export async function sealEscrow(
  head: EscrowHead,
  content: Buffer,
  passphrase: string,
  policy: DerivationPolicy,
): Promise<Buffer> {
  const header = Buffer.alloc(HEADER_BYTES);
  const [kdfSalt, payloadSalt, fileKey] = [
    randomBytes(32),
    randomBytes(16),
    randomBytes(KEY_BYTES),
  ];
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt16BE(VERSION, AT.version);
  header.writeUInt16BE(policy.profile, AT.profile);
  head.storeId.copy(header, AT.storeId);
  header.writeBigUInt64BE(BigInt(head.madeMs), AT.madeMs);
  header.writeUInt32BE(head.groups, AT.groups);
  header.writeUInt32BE(head.keys, AT.keys);
  kdfSalt.copy(header, AT.kdfSalt);
  const passKey = await passphraseKey(passphrase, kdfSalt, policy.profile, policy);
  wrapKey(passKey, fileKey).copy(header, AT.wrappedKey);
  payloadSalt.copy(header, AT.payloadSalt);
  macOf(fileKey, header).copy(header, AT.mac);
  const payloadKey = payloadKeyOf(fileKey, payloadSalt);
  const chunks: Buffer[] = [header];
  for (let at = 0, number = 0; at === 0 || at < content.length; at += CHUNK_BYTES, number += 1) {
    const isLast = at + CHUNK_BYTES >= content.length;
    const cipher = createCipheriv(CIPHER, payloadKey, nonceOf(number, isLast));
    const chunk = content.subarray(at, at + CHUNK_BYTES);
    chunks.push(cipher.update(chunk), cipher.final(), cipher.getAuthTag());
  }
  for (const secret of [passKey, fileKey, payloadKey]) secret.fill(0);
  const before = Buffer.concat(chunks);
  return Buffer.concat([before, createHash('sha256').update(before).digest()]);
}

/** Errors: 1244, 1280 it is no such file, 1281 wrong passphrase, or it was changed. */
export async function openEscrow(
  file: Buffer,
  passphrase: string,
  policy: DerivationPolicy,
): Promise<{ readonly head: EscrowHead; readonly content: Buffer }> {
  const before = wholeFile(file);
  const header = before.subarray(0, HEADER_BYTES);
  const kdfSalt = header.subarray(AT.kdfSalt, AT.wrappedKey);
  const profile = header.readUInt16BE(AT.profile);
  const passKey = await passphraseKey(passphrase, kdfSalt, profile, policy);
  const fileKey = unwrap(passKey, header.subarray(AT.wrappedKey, AT.payloadSalt));
  passKey.fill(0);
  if (!timingSafeEqual(macOf(fileKey, header), header.subarray(AT.mac))) throw wrong();
  const payloadKey = payloadKeyOf(fileKey, header.subarray(AT.payloadSalt, AT.mac));
  const content = openChunks(before.subarray(HEADER_BYTES), payloadKey);
  for (const secret of [fileKey, payloadKey]) secret.fill(0);
  return {
    head: {
      ...{
        storeId: header.subarray(AT.storeId, AT.madeMs),
        groups: header.readUInt32BE(AT.groups),
      },
      ...{ madeMs: Number(header.readBigUInt64BE(AT.madeMs)), keys: header.readUInt32BE(AT.keys) },
    },
    content,
  };
}

function wholeFile(file: Buffer): Buffer {
  if (
    file.toString('latin1', 0, MAGIC.length) !== MAGIC ||
    file.length < HEADER_BYTES + DIGEST_BYTES
  ) {
    throw new StatusError('exportFormat', 'this is no file of exported keys');
  }
  if (file.readUInt16BE(AT.version) !== VERSION) {
    throw new StatusError('exportFormat', 'these exported keys have a form of a later release');
  }
  const before = file.subarray(0, -DIGEST_BYTES);
  const digest = createHash('sha256').update(before).digest();
  if (timingSafeEqual(digest, file.subarray(-DIGEST_BYTES))) return before;
  throw new StatusError('exportForged', 'the file is damaged: its sum is wrong');
}

function openChunks(sealed: Buffer, key: Buffer): Buffer {
  const parts: Buffer[] = [];
  const step = CHUNK_BYTES + TAG_BYTES;
  for (let at = 0, number = 0; at < sealed.length || at === 0; at += step, number += 1) {
    const chunk = sealed.subarray(at, at + step);
    const isLast = at + step >= sealed.length;
    try {
      const nonce = nonceOf(number, isLast);
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(chunk.subarray(-TAG_BYTES));
      parts.push(decipher.update(chunk.subarray(0, -TAG_BYTES)), decipher.final());
    } catch {
      throw wrong();
    }
  }
  return Buffer.concat(parts);
}

function unwrap(key: Buffer, wrapped: Buffer): Buffer {
  try {
    return unwrapKey(key, wrapped);
  } catch {
    throw wrong();
  }
}

function passphraseKey(
  passphrase: string,
  siteSalt: Buffer,
  profile: number,
  policy: DerivationPolicy,
): Promise<Buffer> {
  return keyFromPassphrase({ passphrase, purpose: 'export', label: '', siteSalt, profile }, policy);
}

function payloadKeyOf(fileKey: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, salt, 'nbkms-export-payload-v1', KEY_BYTES));
}

function macOf(fileKey: Buffer, header: Buffer): Buffer {
  const key = Buffer.from(hkdfSync('sha256', fileKey, '', 'nbkms-export-header-v1', KEY_BYTES));
  return createHmac('sha256', key).update(header.subarray(0, AT.mac)).digest();
}

/** The number of the chunk, and whether it is the last: none can stand elsewhere, or be cut away. */
function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function wrong(): StatusError {
  return new StatusError('exportForged', 'the passphrase is wrong, or the file was changed');
}
