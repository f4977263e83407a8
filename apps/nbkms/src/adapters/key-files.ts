// The three files of a key store: made together, read together. A host master key (HMK) in the one protects the key
// protection key (KPK) in the second and the whole content of the third; the KPK protects each key.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { StatusError } from '@tapestry/status';
import {
  FIELD,
  type FileKind,
  FLAG,
  type Header,
  type Parts,
  textField,
} from '../core/container.ts';
import { emptyDocument, isDocument, type KeyStoreDocument } from '../core/key-store.ts';
import { privateFolder, readPrivate, recover, writeTogether } from './durable-files.ts';
import type { FilePort } from './file-port.ts';
import { type DerivationPolicy, keyFromPassphrase } from './key-derivation.ts';
import {
  dataFileKey,
  fingerprintOf,
  KEY_BYTES,
  kpkFileKey,
  openBody,
  readContainer,
  rootKey,
  type Secret,
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

export interface MasterKeys {
  readonly hmk: Secret;
  readonly kpk: Secret;
}

export interface LoadedStore extends MasterKeys {
  readonly document: KeyStoreDocument;
  /** Of KMS_DATA.dat. */
  readonly header: Header;
  readonly hmk: Buffer;
  readonly kpk: Buffer;
}

/** Errors: 1244, 1262 one of the three files is there already. */
export async function createKeyStore(
  files: FilePort,
  dir: string,
  request: {
    readonly hmk: KeyOrigin;
    readonly kpk: KeyOrigin;
    readonly policy: DerivationPolicy;
    /** To make the keys of a lost store again; else a new one is drawn. */
    readonly siteSalt?: Buffer;
  },
  nowMs: number,
): Promise<KeyFilePaths> {
  const paths = await prepare(files, dir);
  const { data, kpk: kpkPath, hmk: hmkPath } = paths;
  const there = [data, kpkPath, hmkPath].filter((path) => existsSync(path));
  if (there.length > 0) {
    throw new StatusError('kmsStoreExists', `${there.join(', ')}: there is a key store already`);
  }
  const { siteSalt = randomBytes(32) } = request;
  const hmk = await makeMasterKey('hmk', request.hmk, siteSalt, request.policy);
  const kpk = await makeMasterKey('kpk', request.kpk, siteSalt, request.policy);
  const empty: Header = {
    ...{ kind: 'data', flags: 0, storeId: randomBytes(16), generation: 1n, epoch: 1n },
    ...{ writtenMs: BigInt(nowMs), fields: new Map([[FIELD.siteSalt, siteSalt]]) },
  };
  const header = withMasterKey(withMasterKey(empty, 'hmk', hmk), 'kpk', kpk);
  const secrets = { hmk: hmk.key, kpk: kpk.key };
  await writeTogether(files, paths.dbDir, sealAll(paths, header, secrets, emptyDocument(nowMs)));
  hmk.key.fill(0);
  kpk.key.fill(0);
  return paths;
}

export interface MadeKey {
  readonly id: string;
  readonly key: Buffer;
  /** Undefined: random. */
  readonly profile: number | undefined;
}

/** Errors: 1244. */
export async function makeMasterKey(
  purpose: 'hmk' | 'kpk',
  { id, passphrase }: KeyOrigin,
  siteSalt: Buffer,
  policy: DerivationPolicy,
): Promise<MadeKey> {
  if (passphrase === undefined) return { id, key: randomBytes(KEY_BYTES), profile: undefined };
  const { profile } = policy;
  const derivation = { passphrase, purpose, label: id, siteSalt, profile };
  return { id, key: await keyFromPassphrase(derivation, policy), profile };
}

const MASTER_FIELDS = {
  hmk: { id: FIELD.hmkId, fingerprint: FIELD.hmkFingerprint, kdf: FIELD.hmkKdf },
  kpk: { id: FIELD.kpkId, fingerprint: FIELD.kpkFingerprint, kdf: FIELD.kpkKdf },
} as const;

/** The header that says which master key protects the store. */
export function withMasterKey(header: Header, which: 'hmk' | 'kpk', made: MadeKey): Header {
  const at = MASTER_FIELDS[which];
  const flag = which === 'hmk' ? FLAG.hmkFromPassphrase : FLAG.kpkFromPassphrase;
  const fields = new Map(header.fields);
  fields.set(at.id, Buffer.from(made.id, 'utf8'));
  fields.set(at.fingerprint, fingerprintOf(made.key));
  if (made.profile === undefined) fields.delete(at.kdf);
  else fields.set(at.kdf, Buffer.from([made.profile]));
  const flags = made.profile === undefined ? header.flags & ~flag : header.flags | flag;
  return { ...header, flags, fields };
}

/** All three files of a store, ready to be written. */
export function sealAll(
  paths: KeyFilePaths,
  header: Header,
  { hmk, kpk }: { readonly hmk: Buffer; readonly kpk: Buffer },
  document: KeyStoreDocument,
): Map<string, Buffer> {
  return new Map([
    [paths.hmk, sealMasterKey('hmk', header, rootKey(header.storeId), hmk)],
    [paths.kpk, sealMasterKey('kpk', header, kpkFileKey(hmk, header), kpk)],
    [paths.data, sealData(header, hmk, document)],
  ]);
}

export function sealMasterKey(
  kind: 'hmk' | 'kpk',
  header: Header,
  under: Secret,
  key: Buffer,
): Buffer {
  return sealFile({ ...header, kind, fields: fieldsOf(kind, header) }, under, key);
}

export function sealData(header: Header, hmk: Secret, document: KeyStoreDocument): Buffer {
  const body = Buffer.from(JSON.stringify(document), 'utf8');
  const data: Header = { ...header, kind: 'data', fields: fieldsOf('data', header) };
  return sealFile(data, dataFileKey(hmk, data), body);
}

function fieldsOf(kind: FileKind, header: Header): Map<number, Buffer> {
  const fields = new Map(header.fields);
  fields.set(FIELD.writer, Buffer.from('tapestry nbkms 1'));
  if (kind === 'hmk') fields.set(FIELD.rootProvider, Buffer.from('none'));
  else fields.delete(FIELD.rootProvider);
  return fields;
}

async function prepare(files: FilePort, dir: string): Promise<KeyFilePaths> {
  const paths = keyFilePaths(dir);
  privateFolder(paths.dbDir);
  privateFolder(paths.keyDir);
  await recover(files, paths.dbDir, [paths.dbDir, paths.keyDir], () => isSet(paths));
  return paths;
}

/** The three files are whole, and of one store and time. */
function isSet(paths: KeyFilePaths): boolean {
  try {
    const { header } = readKeyFile(paths.data, 'data');
    requireSet(header, readKeyFile(paths.hmk, 'hmk').header, 'KMS_HMKF.dat');
    requireSet(header, readKeyFile(paths.kpk, 'kpk').header, 'KMS_KPKF.dat');
    return true;
  } catch {
    return false;
  }
}

/** Needs no key. Errors: 1250, 1251, 1252, 1256, 1257. */
export function readKeyFile(path: string, kind: FileKind): Parts {
  return readContainer(readPrivate(path, SIZE_MAX_BYTES), kind, basename(path));
}

/**
 * Completes or undoes what a crash interrupted, then reads and authenticates all three.
 * Errors: 1250 to 1257, 1259, each naming the file and what to do.
 */
export async function loadKeyStore(files: FilePort, dir: string): Promise<LoadedStore> {
  const paths = await prepare(files, dir);
  const hmkFile = readKeyFile(paths.hmk, 'hmk');
  const kpkFile = readKeyFile(paths.kpk, 'kpk');
  const dataFile = readKeyFile(paths.data, 'data');
  const { header } = dataFile;
  requireSet(header, hmkFile.header, 'KMS_HMKF.dat');
  requireSet(header, kpkFile.header, 'KMS_KPKF.dat');
  const hmk = openBody(hmkFile, rootKey(hmkFile.header.storeId), 'KMS_HMKF.dat');
  requireKey(header, FIELD.hmkFingerprint, hmk, 'the host master key');
  const kpk = openBody(kpkFile, kpkFileKey(hmk, kpkFile.header), 'KMS_KPKF.dat');
  requireKey(header, FIELD.kpkFingerprint, kpk, 'the key protection key');
  return { document: openDocument(dataFile, hmk), header: copied(header), hmk, kpk };
}

/** Errors: 1253, 1256. */
export function openDocument(dataFile: Parts, hmk: Secret): KeyStoreDocument {
  const body = openBody(dataFile, dataFileKey(hmk, dataFile.header), 'KMS_DATA.dat');
  const document: unknown = JSON.parse(body.toString('utf8'));
  body.fill(0);
  if (isDocument(document)) return document;
  throw new StatusError('kmsVersion', 'KMS_DATA.dat holds what this release does not know');
}

/** Without a hold on the whole file's bytes. */
function copied(header: Header): Header {
  const fields = new Map([...header.fields].map(([type, value]) => [type, Buffer.from(value)]));
  return { ...header, fields, storeId: Buffer.from(header.storeId) };
}

function requireSet(data: Header, other: Header, name: string): void {
  if (!data.storeId.equals(other.storeId)) {
    throw new StatusError('kmsSetMismatch', `${name} is of another store than KMS_DATA.dat`);
  }
  if (data.epoch === other.epoch) return;
  const older = data.epoch < other.epoch ? 'KMS_DATA.dat' : name;
  const why = `${older} is older than the others, from before a change of the master keys`;
  throw new StatusError('kmsSetMismatch', why);
}

/** Errors: 1254. */
export function requireKey(data: Header, field: number, key: Buffer, what: string): void {
  const expected = data.fields.get(field);
  if (expected !== undefined && fingerprintOf(key).equals(expected)) return;
  throw new StatusError('kmsKeyMismatch', `${what} is not the one that KMS_DATA.dat is under`);
}

/**
 * Makes the file of a lost master key again. Nothing is written unless the passphrase makes the very key that the
 * store is under. Errors: 1209 it was random, 1242, 1244, 1250 to 1256 of KMS_DATA.dat.
 */
export async function resetMasterKey(
  files: FilePort,
  dir: string,
  request: {
    readonly which: 'hmk' | 'kpk';
    readonly passphrase: string;
    readonly policy: DerivationPolicy;
  },
): Promise<void> {
  const { which, passphrase, policy } = request;
  const paths = await prepare(files, dir);
  const { header } = readKeyFile(paths.data, 'data');
  const at = MASTER_FIELDS[which];
  const [profile] = header.fields.get(at.kdf) ?? [];
  if (profile === undefined) {
    const why = `the ${which.toUpperCase()} was random: its file is brought back from a copy alone`;
    throw new StatusError('kmsUsage', why);
  }
  const siteSalt = header.fields.get(FIELD.siteSalt)!;
  const label = textField(header.fields, at.id);
  const derivation = { passphrase, purpose: which, label, siteSalt, profile };
  const key = await keyFromPassphrase(derivation, policy);
  if (!fingerprintOf(key).equals(header.fields.get(at.fingerprint)!)) {
    key.fill(0);
    const why = `this passphrase does not make the ${which.toUpperCase()} with the id ${label}`;
    throw new StatusError('passphraseWrong', why);
  }
  const under = which === 'hmk' ? rootKey(header.storeId) : kpkFileKey(readHmk(paths), header);
  const sealed = sealMasterKey(which, header, under, key);
  key.fill(0);
  await writeTogether(files, paths.dbDir, new Map([[paths[which], sealed]]));
}

function readHmk(paths: KeyFilePaths): Buffer {
  const file = readKeyFile(paths.hmk, 'hmk');
  return openBody(file, rootKey(file.header.storeId), 'KMS_HMKF.dat');
}
