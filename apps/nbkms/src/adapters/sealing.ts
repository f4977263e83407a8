// Sealing of the key store's files. AES-256-GCM with a fresh IV for each write, the whole
// clear header authenticated; the order of the checks tells a torn file from a damaged, a wrong and a forged one.

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { StatusError } from '@tapestry/status';
import {
  DIGEST_BYTES,
  END_MARK,
  encodeHeader,
  FIELD,
  type FileKind,
  type Header,
  type Parts,
  parseFile,
  SIZE_MIN_BYTES,
  TAG_BYTES,
} from '../core/container.ts';

const CIPHER = 'aes-256-gcm';
export const KEY_BYTES = 32;

/** Bytes where a key is made or read, an object of the crypto library where it stays. */
export type Secret = Buffer | KeyObject;

/** A public value that tells keys apart and says nothing about them. */
export function fingerprintOf(key: Secret): Buffer {
  return createHmac('sha256', key).update('nbkms-key-fp-v1').digest().subarray(0, 16);
}

/** Without a root provider the master key's file has this wrapping, so that all three files are read in one way. */
export function rootKey(storeId: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', storeId, '', 'obfuscation only', KEY_BYTES));
}

export function kpkFileKey(hmk: Secret, header: Pick<Header, 'storeId' | 'epoch'>): Buffer {
  return derive(hmk, header.storeId, header.epoch, 'nbkms-kpkf-v1');
}

export function dataFileKey(hmk: Secret, header: Pick<Header, 'storeId' | 'generation'>): Buffer {
  return derive(hmk, header.storeId, header.generation, 'nbkms-data-v1');
}

function derive(hmk: Secret, storeId: Buffer, count: bigint, info: string): Buffer {
  const counted = Buffer.alloc(8);
  counted.writeBigUInt64BE(count);
  return Buffer.from(hkdfSync('sha256', hmk, Buffer.concat([storeId, counted]), info, KEY_BYTES));
}

/** The whole file. The IV and the body's length are added to the header. */
export function sealFile(header: Header, key: Secret, body: Buffer): Buffer {
  const iv = randomBytes(12);
  const bodyLength = Buffer.alloc(8);
  bodyLength.writeBigUInt64BE(BigInt(body.length));
  const fields = new Map([...header.fields, [FIELD.iv, iv], [FIELD.bodyLength, bodyLength]]);
  const headerBytes = encodeHeader({ ...header, fields });
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(headerBytes);
  const sealed = Buffer.concat([cipher.update(body), cipher.final()]);
  const before = Buffer.concat([headerBytes, sealed, cipher.getAuthTag()]);
  const digest = createHash('sha256').update(before).digest();
  return Buffer.concat([before, digest, Buffer.from(END_MARK, 'latin1')]);
}

/** Errors: 1251 torn, 1252 damaged, 1256 a form of another release. Needs no key. */
export function readContainer(file: Buffer, kind: FileKind, name: string): Parts {
  const end = file.length - END_MARK.length;
  if (file.length < SIZE_MIN_BYTES || file.toString('latin1', end) !== END_MARK) {
    throw new StatusError('kmsFileTorn', `${name} ends too early: bring it back from a copy`);
  }
  const before = file.subarray(0, end - DIGEST_BYTES);
  const digest = createHash('sha256').update(before).digest();
  if (!timingSafeEqual(digest, file.subarray(end - DIGEST_BYTES, end))) {
    throw new StatusError('kmsFileCorrupt', `${name} is damaged: bring it back from a copy`);
  }
  const parts = parseFile(file, kind);
  if (parts === undefined) {
    throw new StatusError('kmsVersion', `${name} is not in a form that this release knows`);
  }
  return parts;
}

/** Errors: 1253: the digest was right, the seal is not: somebody made it so. */
export function openBody(parts: Parts, key: Secret, name: string): Buffer {
  const { header, headerBytes, body, tag } = parts;
  try {
    const iv = header.fields.get(FIELD.iv) ?? Buffer.alloc(0);
    const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(headerBytes);
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch (error) {
    const why = `${name} does not open under its key although it is whole: it was changed on purpose`;
    throw new StatusError('kmsFileTampered', why, {}, { cause: error });
  }
}
