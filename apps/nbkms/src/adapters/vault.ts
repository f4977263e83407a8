// The key store while the daemon runs: its content in memory, its files as the last commit left them, and the secrets
// of single keys on request. A change is either wholly on the disk, or it did not happen.

import assert from 'node:assert';
import { createSecretKey, type KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { StatusError } from '@tapestry/status';
import type { Header } from '../core/container.ts';
import { brokenRules } from '../core/invariants.ts';
import type { KeyRecord, KeyStoreDocument } from '../core/key-store.ts';
import {
  forgetPrevious,
  isUncommitted,
  replaceOne,
  unstage,
  writeTogether,
} from './durable-files.ts';
import type { FilePort } from './file-port.ts';
import {
  type KeyFilePaths,
  keyFilePaths,
  loadKeyStore,
  type MadeKey,
  openDocument,
  readKeyFile,
  sealAll,
  sealData,
  withMasterKey,
} from './key-files.ts';
import {
  isGenuine,
  type RecordKeys,
  recordKeysOf,
  unwrapSecret,
  withMac,
  wrapSecret,
} from './record-sealing.ts';
import { readContainer } from './sealing.ts';

/** A full disk is told before anything is written. */
const ROOM_FACTOR = 4n;

export interface Vault {
  readonly paths: KeyFilePaths;
  readonly document: KeyStoreDocument;
  /** Of KMS_DATA.dat as it is now. */
  readonly header: Header;
  /** Why nothing may be changed any more; empty while changes are taken. */
  readonly readOnly: string;
  wrap(secret: Buffer): string;
  /** The caller overwrites it after use. Errors: 1253. */
  secretOf(key: KeyRecord): Buffer;
  /** Errors: 1207, 1260, 1261: the content is as before, but for 1261 after which no change is taken. */
  commit(document: KeyStoreDocument, nowMs: number): Promise<void>;
  /** New master keys, under which everything is sealed anew. Errors: as `commit`. */
  replaceMasterKeys(
    made: { readonly hmk?: MadeKey; readonly kpk?: MadeKey },
    nowMs: number,
  ): Promise<void>;
  /** The content before the last commit, of which a deleted key is still a part, is removed. */
  forgetPrevious(): Promise<void>;
}

/** Errors: 1250 to 1257, 1259. */
export async function openVault(files: FilePort, dir: string): Promise<Vault> {
  const loaded = await loadKeyStore(files, dir);
  const paths = keyFilePaths(dir);
  let { document, header } = loaded;
  let hmk: KeyObject = createSecretKey(loaded.hmk);
  let kpk: KeyObject = createSecretKey(loaded.kpk);
  let recordKeys: RecordKeys = recordKeysOf(kpk);
  for (const secret of [loaded.hmk, loaded.kpk]) secret.fill(0);
  let readOnly = '';
  const forged = document.keys.find((key) => !isGenuine(recordKeys, key));
  if (forged !== undefined) readOnly = `key ${forged.name} was changed by somebody`;

  const begin = async (roomBytes: number): Promise<void> => {
    if (readOnly !== '') throw new StatusError('kmsReadOnly', readOnly);
    if ((await files.freeBytes(paths.dbDir)) < ROOM_FACTOR * BigInt(roomBytes)) {
      throw new StatusError('kmsNoSpace', `${paths.dbDir} has too little room left`);
    }
  };

  return {
    paths,
    get document() {
      return document;
    },
    get header() {
      return header;
    },
    get readOnly() {
      return readOnly;
    },
    wrap: (secret) => wrapSecret(recordKeys, secret),
    secretOf: (key) => unwrapSecret(recordKeys, key),
    async commit(changed, nowMs) {
      assert.deepEqual(brokenRules(changed), []);
      const next = sealedRecords(changed, recordKeys);
      const nextHeader = {
        ...header,
        generation: header.generation + 1n,
        writtenMs: BigInt(nowMs),
      };
      const bytes = sealData(nextHeader, hmk, next);
      await begin(bytes.length);
      try {
        await replaceOne(files, paths.data, bytes, (written) => check(written, hmk, nextHeader));
      } catch (error) {
        if (!isInPlace(paths, nextHeader)) throw await undone(files, paths, error);
        // The new name stands, and nobody knows whether it lasts: what is in memory must not run ahead of the disk.
        readOnly = `a change could not be made durable (${(error as Error).message})`;
        [document, header] = [next, nextHeader];
        throw new StatusError(
          'kmsSyncFailed',
          `${readOnly}: look at the disk`,
          {},
          { cause: error },
        );
      }
      [document, header] = [next, nextHeader];
    },
    async replaceMasterKeys(made, nowMs) {
      const planned = underNewKeys(paths, { document, header, hmk, kpk, recordKeys }, made, nowMs);
      const { contents } = planned;
      await begin(contents.get(paths.data)!.length);
      try {
        await writeTogether(files, paths.dbDir, contents);
      } catch (error) {
        if (isUncommitted(paths.dbDir) && isInPlace(paths, header))
          throw await undone(files, paths, error);
        // Committed, and not whole: the next start completes it, this life does not.
        readOnly = `a change of the master keys ended half-way (${(error as Error).message})`;
        const why = `${readOnly}: start nbkms again, which completes or undoes it`;
        throw new StatusError('kmsSyncFailed', why, {}, { cause: error });
      }
      ({ document, header, hmk, kpk, recordKeys } = planned);
      await forgetPrevious(files, paths.data);
    },
    forgetPrevious: () => forgetPrevious(files, paths.data),
  };
}

interface Sealed {
  readonly document: KeyStoreDocument;
  readonly header: Header;
  readonly hmk: KeyObject;
  readonly kpk: KeyObject;
  readonly recordKeys: RecordKeys;
}

/** The store under other master keys, and its three files. */
function underNewKeys(
  paths: KeyFilePaths,
  old: Sealed,
  made: { readonly hmk?: MadeKey; readonly kpk?: MadeKey },
  nowMs: number,
): Sealed & { readonly contents: ReadonlyMap<string, Buffer> } {
  const secrets = {
    hmk: made.hmk?.key ?? old.hmk.export(),
    kpk: made.kpk?.key ?? old.kpk.export(),
  };
  const recordKeys = recordKeysOf(secrets.kpk);
  const document =
    made.kpk === undefined ? old.document : rewrapped(old.document, old.recordKeys, recordKeys);
  const { generation, epoch } = old.header;
  let header: Header = { ...old.header, generation: generation + 1n, epoch: epoch + 1n };
  header = { ...header, writtenMs: BigInt(nowMs) };
  if (made.hmk !== undefined) header = withMasterKey(header, 'hmk', made.hmk);
  if (made.kpk !== undefined) header = withMasterKey(header, 'kpk', made.kpk);
  const contents = sealAll(paths, header, secrets, document);
  const [hmk, kpk] = [createSecretKey(secrets.hmk), createSecretKey(secrets.kpk)];
  for (const secret of Object.values(secrets)) secret.fill(0);
  return { document, header, hmk, kpk, recordKeys, contents };
}

function sealedRecords(document: KeyStoreDocument, keys: RecordKeys): KeyStoreDocument {
  const seal = (key: KeyRecord) => (key.mac === '' ? withMac(keys, key) : key);
  return { ...document, keys: document.keys.map(seal) };
}

function rewrapped(
  document: KeyStoreDocument,
  old: RecordKeys,
  next: RecordKeys,
): KeyStoreDocument {
  const keys = document.keys.map((key) => {
    const secret = unwrapSecret(old, key);
    const wrapped = wrapSecret(next, secret);
    secret.fill(0);
    return withMac(next, { ...key, wrapped });
  });
  return { ...document, keys };
}

/** What was written opens, and is what was meant. Errors: 1251 to 1253. */
function check(written: Buffer, hmk: KeyObject, { generation }: Header): void {
  const parts = readContainer(written, 'data', 'KMS_DATA.dat');
  openDocument(parts, hmk);
  assert.equal(parts.header.generation, generation);
}

/** The file that counts is the new one. */
function isInPlace(paths: KeyFilePaths, { generation }: Header): boolean {
  try {
    return readKeyFile(paths.data, 'data').header.generation === generation;
  } catch {
    return false;
  }
}

async function undone(
  files: FilePort,
  { data, kpk, hmk }: KeyFilePaths,
  error: unknown,
): Promise<Error> {
  for (const path of [data, kpk, hmk]) await unstage(files, path).catch(() => undefined);
  if (error instanceof StatusError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    const why = `${dirname(data)} has no room left: nothing was changed`;
    return new StatusError('kmsNoSpace', why, {}, { cause: error });
  }
  const why = `the change could not be written, and nothing was changed: ${message}`;
  return new StatusError('kmsSyncFailed', why, {}, { cause: error });
}
