// The three files of a key store: made together, read together. A host master key in the one protects the key
// protection key in the second and the whole content of the third; a key protection key will protect each key.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { FIELD, FLAG, FORMAT_VERSION, type Header, textField } from '../core/container.ts';
import { emptyDocument, isDocument, type KeyStoreDocument } from '../core/key-store.ts';
import { privateFolder, readPrivate, recover, writeTogether } from './durable-files.ts';
import {
  dataFileKey,
  fingerprintOf,
  KEY_BYTES,
  keyFromPassphrase,
  kpkFileKey,
  openBody,
  PROFILE_DEFAULT,
  PURPOSE,
  readContainer,
  rootKey,
  sealFile,
} from './sealing.ts';

const SIZE_MAX_BYTES = 64 * 1024 * 1024;

export interface KeyFilePaths {
  readonly dbDir: string;
  readonly keyDir: string;
  readonly data: string;
  readonly kpk: string;
  readonly hmk: string;
}

export function keyFilePaths(dir: string): KeyFilePaths {
  const [dbDir, keyDir] = [join(dir, 'db'), join(dir, 'key')];
  return {
    ...{ dbDir, keyDir, data: join(dbDir, 'KMS_DATA.dat') },
    ...{ kpk: join(keyDir, 'KMS_KPKF.dat'), hmk: join(keyDir, 'KMS_HMKF.dat') },
  };
}

/** Where a master key comes from: a passphrase that can make it again, or chance. The id is public. */
export interface KeyOrigin {
  readonly id: string;
  readonly passphrase: string | undefined;
}

export interface KeyStore {
  readonly document: KeyStoreDocument;
  readonly hmkId: string;
  readonly kpkId: string;
  readonly formatVersion: number;
  readonly modifiedMs: number;
}

/** Errors: 1262 one of the three files is there already. */
export async function createKeyStore(
  dir: string,
  origins: { readonly hmk: KeyOrigin; readonly kpk: KeyOrigin },
  nowMs: number,
): Promise<KeyFilePaths> {
  const paths = prepare(dir);
  const { data, kpk: kpkPath, hmk: hmkPath, dbDir } = paths;
  const there = [data, kpkPath, hmkPath].filter((path) => existsSync(path));
  if (there.length > 0) {
    throw new StatusError('kmsStoreExists', `${there.join(', ')}: there is a key store already`);
  }
  const siteSalt = randomBytes(32);
  const hmk = await makeKey(origins.hmk, PURPOSE.hmk, siteSalt);
  const kpk = await makeKey(origins.kpk, PURPOSE.kpk, siteSalt);
  const header = (kind: Header['kind']): Header => ({
    ...{ kind, flags: flagsOf(origins), storeId, generation: 1n, epoch: 1n },
    ...{ writtenMs: BigInt(nowMs), fields: new Map([...fields, ...extraOf(kind)]) },
  });
  const storeId = randomBytes(16);
  const fields: [number, Buffer][] = [
    [FIELD.hmkId, Buffer.from(origins.hmk.id, 'utf8')],
    [FIELD.kpkId, Buffer.from(origins.kpk.id, 'utf8')],
    [FIELD.hmkFingerprint, fingerprintOf(hmk)],
    [FIELD.kpkFingerprint, fingerprintOf(kpk)],
    [FIELD.siteSalt, siteSalt],
    [FIELD.writer, Buffer.from('tapestry nbkms 1')],
    ...profileOf(FIELD.hmkKdf, origins.hmk),
    ...profileOf(FIELD.kpkKdf, origins.kpk),
  ];
  const document = Buffer.from(JSON.stringify(emptyDocument(nowMs)), 'utf8');
  const [hmkHeader, kpkHeader, dataHeader] = [header('hmk'), header('kpk'), header('data')];
  writeTogether(
    dbDir,
    new Map([
      [hmkPath, sealFile(hmkHeader, rootKey(storeId), hmk)],
      [kpkPath, sealFile(kpkHeader, kpkFileKey(hmk, kpkHeader), kpk)],
      [data, sealFile(dataHeader, dataFileKey(hmk, dataHeader), document)],
    ]),
  );
  hmk.fill(0);
  kpk.fill(0);
  return paths;
}

function prepare(dir: string): KeyFilePaths {
  const paths = keyFilePaths(dir);
  privateFolder(paths.dbDir);
  privateFolder(paths.keyDir);
  recover(paths.dbDir, [paths.dbDir, paths.keyDir]);
  return paths;
}

async function makeKey(origin: KeyOrigin, purpose: number, siteSalt: Buffer): Promise<Buffer> {
  const { passphrase, id } = origin;
  if (passphrase === undefined) return randomBytes(KEY_BYTES);
  const profile = PROFILE_DEFAULT;
  return await keyFromPassphrase({ passphrase, purpose, label: id, siteSalt, profile });
}

function flagsOf({ hmk, kpk }: { hmk: KeyOrigin; kpk: KeyOrigin }): number {
  return (
    (hmk.passphrase === undefined ? 0 : FLAG.hmkFromPassphrase) |
    (kpk.passphrase === undefined ? 0 : FLAG.kpkFromPassphrase)
  );
}

function profileOf(field: number, origin: KeyOrigin): [number, Buffer][] {
  return origin.passphrase === undefined ? [] : [[field, Buffer.from([PROFILE_DEFAULT])]];
}

function extraOf(kind: Header['kind']): [number, Buffer][] {
  return kind === 'hmk' ? [[FIELD.rootProvider, Buffer.from('none')]] : [];
}

/** Reads and authenticates all three. Errors: 1250 to 1257, 1259, each naming the file and what to do. */
export function openKeyStore(dir: string): KeyStore {
  const paths = prepare(dir);
  const read = (path: string, kind: Header['kind'], name: string) =>
    readContainer(readPrivate(path, SIZE_MAX_BYTES), kind, name);
  const hmkFile = read(paths.hmk, 'hmk', 'KMS_HMKF.dat');
  const kpkFile = read(paths.kpk, 'kpk', 'KMS_KPKF.dat');
  const dataFile = read(paths.data, 'data', 'KMS_DATA.dat');
  const { header } = dataFile;
  requireSet(header, hmkFile.header, 'KMS_HMKF.dat');
  requireSet(header, kpkFile.header, 'KMS_KPKF.dat');
  const hmk = openBody(hmkFile, rootKey(hmkFile.header.storeId), 'KMS_HMKF.dat');
  requireKey(header, FIELD.hmkFingerprint, hmk, 'the host master key');
  const kpk = openBody(kpkFile, kpkFileKey(hmk, kpkFile.header), 'KMS_KPKF.dat');
  requireKey(header, FIELD.kpkFingerprint, kpk, 'the key protection key');
  const body = openBody(dataFile, dataFileKey(hmk, header), 'KMS_DATA.dat');
  const document: unknown = JSON.parse(body.toString('utf8'));
  for (const secret of [hmk, kpk, body]) secret.fill(0);
  if (!isDocument(document)) {
    throw new StatusError('kmsVersion', 'KMS_DATA.dat holds what this release does not know');
  }
  return {
    ...{ document, formatVersion: FORMAT_VERSION, modifiedMs: Number(header.writtenMs) },
    ...{ hmkId: textField(header.fields, FIELD.hmkId) },
    kpkId: textField(header.fields, FIELD.kpkId),
  };
}

function requireSet(data: Header, other: Header, name: string): void {
  if (data.storeId.equals(other.storeId) && data.epoch === other.epoch) return;
  const why = `${name} is of another store or another time than KMS_DATA.dat: copies were mixed`;
  throw new StatusError('kmsSetMismatch', why);
}

function requireKey(data: Header, field: number, key: Buffer, what: string): void {
  const expected = data.fields.get(field);
  if (expected !== undefined && fingerprintOf(key).equals(expected)) return;
  throw new StatusError('kmsKeyMismatch', `${what} is not the one that KMS_DATA.dat is under`);
}
