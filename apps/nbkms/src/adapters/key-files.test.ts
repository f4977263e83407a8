import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FIELD, FLAG } from '../core/container.ts';
import { createKeyStore, type KeyOrigin, keyFilePaths, openKeyStore } from './key-files.ts';
import {
  fingerprintOf,
  keyFromPassphrase,
  PROFILE_DEFAULT,
  PURPOSE,
  readContainer,
} from './sealing.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-kms-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const random = (id: string): KeyOrigin => ({ id, passphrase: undefined });
const origins = { hmk: random('hmk1'), kpk: random('kpk1') };
const paths = () => keyFilePaths(dir);
const create = (into = dir) => createKeyStore(into, origins, 1_700_000_000_000);

/** Puts a right digest under changed bytes: what an intruder would do. */
function reseal(file: Buffer): Buffer {
  const before = file.subarray(0, file.length - 40);
  return Buffer.concat([before, createHash('sha256').update(before).digest(), file.subarray(-8)]);
}

function change(path: string, at: number): Buffer {
  const file = readFileSync(path);
  const where = at < 0 ? file.length + at : at;
  file[where] = (file[where] ?? 0) ^ 1;
  return file;
}

test('a new store is three private files that open to nothing', async () => {
  await create();
  for (const path of [paths().data, paths().kpk, paths().hmk]) {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  }
  for (const path of [paths().dbDir, paths().keyDir]) {
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readdirSync(path).every((name) => name.endsWith('.dat'))).toBe(true);
  }
  expect(openKeyStore(dir)).toMatchObject({
    ...{ hmkId: 'hmk1', kpkId: 'kpk1', formatVersion: 1, modifiedMs: 1_700_000_000_000 },
    document: { groups: [], keys: [], createdMs: 1_700_000_000_000 },
  });
  await expect(create()).rejects.toThrow(/1262/);
});

test('with passphrases the same keys can be made again, and nothing of them is in the files', async () => {
  const hmk = { id: 'site', passphrase: 'correct horse battery staple' };
  await createKeyStore(dir, { hmk, kpk: origins.kpk }, 1);
  const file = readFileSync(paths().data);
  expect(file.includes('battery')).toBe(false);
  const { header } = readContainer(file, 'data', 'KMS_DATA.dat');
  expect(header.flags).toBe(FLAG.hmkFromPassphrase);
  const siteSalt = header.fields.get(FIELD.siteSalt)!;
  const again = { purpose: PURPOSE.hmk, siteSalt, profile: PROFILE_DEFAULT } as const;
  const key = await keyFromPassphrase({ ...again, passphrase: hmk.passphrase, label: hmk.id });
  expect(fingerprintOf(key)).toEqual(header.fields.get(FIELD.hmkFingerprint));
  expect(openKeyStore(dir).hmkId).toBe('site');
});

test.each(['data', 'kpk', 'hmk'] as const)(
  '%s: what is wrong with a file is told apart',
  async (which) => {
    await create();
    const path = paths()[which];
    const whole = readFileSync(path);
    const openWith = (bytes: Buffer) => {
      writeFileSync(path, bytes);
      return () => openKeyStore(dir);
    };
    expect(openWith(whole.subarray(0, whole.length - 1))).toThrow(/1251/);
    expect(openWith(whole.subarray(0, 20))).toThrow(/1251/);
    expect(openWith(change(path, 60))).toThrow(/1251/);
    writeFileSync(path, whole);
    expect(openWith(change(path, 60))).toThrow(/1252/);
    writeFileSync(path, whole);
    expect(openWith(reseal(change(path, -60)))).toThrow(/1253/);
    writeFileSync(path, whole);
    expect(openWith(reseal(change(path, 9)))).toThrow(/1256/);
    rmSync(path);
    expect(() => openKeyStore(dir)).toThrow(/1250.*is missing/);
  },
);

test('a file that others could read or that is not its own is refused', async () => {
  await create();
  const { hmk, kpk } = paths();
  chmodSync(hmk, 0o640);
  expect(() => openKeyStore(dir)).toThrow(/1257/);
  chmodSync(hmk, 0o600);
  linkSync(hmk, join(dir, 'second-name'));
  expect(() => openKeyStore(dir)).toThrow(/1257/);
  rmSync(join(dir, 'second-name'));
  renameSync(kpk, join(dir, 'elsewhere'));
  symlinkSync(join(dir, 'elsewhere'), kpk);
  expect(() => openKeyStore(dir)).toThrow(/1257/);
  rmSync(kpk);
  renameSync(join(dir, 'elsewhere'), kpk);
  chmodSync(paths().keyDir, 0o755);
  expect(() => openKeyStore(dir)).toThrow(/1257/);
});

test('files of two stores do not make one', async () => {
  await create();
  const other = join(dir, 'other');
  await create(other);
  cpSync(keyFilePaths(other).kpk, paths().kpk);
  expect(() => openKeyStore(dir)).toThrow(/1255/);
});

test('a change that a crash interrupted is completed once it was committed, else undone', async () => {
  await create();
  const { data, dbDir } = paths();
  const bytes = readFileSync(data);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const text = JSON.stringify([{ path: data, sha256 }]);
  const journal = `${createHash('sha256').update(text).digest('hex')}\n${text}`;

  // Staged, not committed: it goes.
  writeFileSync(`${data}.new`, 'half');
  expect(openKeyStore(dir).hmkId).toBe('hmk1');
  expect(existsSync(`${data}.new`)).toBe(false);
  // Committed, not yet renamed: it is completed.
  renameSync(data, `${data}.new`);
  writeFileSync(join(dbDir, 'KMS_TXN.jnl'), journal);
  expect(openKeyStore(dir).hmkId).toBe('hmk1');
  expect(readdirSync(dbDir)).toEqual(['KMS_DATA.dat']);
  // Committed, and the file is nowhere: nobody guesses.
  writeFileSync(join(dbDir, 'KMS_TXN.jnl'), journal);
  truncateSync(data, 10);
  expect(() => openKeyStore(dir)).toThrow(/1259/);
});
