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
import { FIELD, FLAG, textField } from '../core/container.ts';
import { hostFiles } from './file-port.ts';
import { STANDARD_POLICY } from './key-derivation.ts';
import {
  createKeyStore,
  type KeyOrigin,
  keyFilePaths,
  loadKeyStore,
  resetMasterKey,
} from './key-files.ts';
import { readContainer } from './sealing.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-kms-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const random = (id: string): KeyOrigin => ({ id, passphrase: undefined });
const origins = { hmk: random('hmk1'), kpk: random('kpk1'), policy: STANDARD_POLICY };
/** Fast, for tests alone. */
const QUICK = { profile: 0, allowed: [0] };
const passphrase = 'correct horse battery staple';
const load = () => loadKeyStore(hostFiles, dir);
const hmkId = async () => textField((await load()).header.fields, FIELD.hmkId);
const paths = () => keyFilePaths(dir);
const create = (into = dir) => createKeyStore(hostFiles, into, origins, 1_700_000_000_000);

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
  expect(await load()).toMatchObject({
    header: { generation: 1n, epoch: 1n, writtenMs: 1_700_000_000_000n },
    document: { groups: [], keys: [], createdMs: 1_700_000_000_000 },
  });
  expect(await hmkId()).toBe('hmk1');
  await expect(create()).rejects.toThrow(/1262/);
});

test('a lost master key file is made again from its passphrase, and from no other', async () => {
  const made = { id: 'site', passphrase };
  await createKeyStore(hostFiles, dir, { hmk: made, kpk: made, policy: QUICK }, 1);
  const file = readFileSync(paths().data);
  expect(file.includes('battery')).toBe(false);
  const { header } = readContainer(file, 'data', 'KMS_DATA.dat');
  expect(header.flags).toBe(FLAG.hmkFromPassphrase | FLAG.kpkFromPassphrase);
  for (const which of ['kpk', 'hmk'] as const) {
    rmSync(paths()[which]);
    const wrong = { which, passphrase: 'Correct horse battery staple', policy: QUICK };
    await expect(resetMasterKey(hostFiles, dir, wrong)).rejects.toThrow(/1242/);
    expect(existsSync(paths()[which])).toBe(false);
    await resetMasterKey(hostFiles, dir, { ...wrong, passphrase });
  }
  expect(await hmkId()).toBe('site');
});

test('a random master key is not made again, and a way of making keys may be forbidden', async () => {
  await create();
  const request = { which: 'hmk', passphrase, policy: QUICK } as const;
  await expect(resetMasterKey(hostFiles, dir, request)).rejects.toThrow(/1209.*random/);
  const other = {
    hmk: { id: 'h', passphrase },
    kpk: random('k'),
    policy: { profile: 0, allowed: [1] },
  };
  await expect(createKeyStore(hostFiles, join(dir, 'b'), other, 1)).rejects.toThrow(/1244/);
});

test.each(['data', 'kpk', 'hmk'] as const)(
  '%s: what is wrong with a file is told apart',
  async (which) => {
    await create();
    const path = paths()[which];
    const whole = readFileSync(path);
    const openWith = (bytes: Buffer) => {
      writeFileSync(path, bytes);
      return expect(load()).rejects;
    };
    await openWith(whole.subarray(0, whole.length - 1)).toThrow(/1251/);
    await openWith(whole.subarray(0, 20)).toThrow(/1251/);
    await openWith(change(path, 60)).toThrow(/1251/);
    writeFileSync(path, whole);
    await openWith(change(path, 60)).toThrow(/1252/);
    writeFileSync(path, whole);
    await openWith(reseal(change(path, -60))).toThrow(/1253/);
    writeFileSync(path, whole);
    await openWith(reseal(change(path, 9))).toThrow(/1256/);
    rmSync(path);
    await expect(load()).rejects.toThrow(/1250.*is missing/);
  },
);

test('a file that others could read or that is not its own is refused', async () => {
  await create();
  const { hmk, kpk } = paths();
  chmodSync(hmk, 0o640);
  await expect(load()).rejects.toThrow(/1257/);
  chmodSync(hmk, 0o600);
  linkSync(hmk, join(dir, 'second-name'));
  await expect(load()).rejects.toThrow(/1257/);
  rmSync(join(dir, 'second-name'));
  renameSync(kpk, join(dir, 'elsewhere'));
  symlinkSync(join(dir, 'elsewhere'), kpk);
  await expect(load()).rejects.toThrow(/1257/);
  rmSync(kpk);
  renameSync(join(dir, 'elsewhere'), kpk);
  chmodSync(paths().keyDir, 0o755);
  await expect(load()).rejects.toThrow(/1257/);
});

test('files of two stores do not make one', async () => {
  await create();
  const other = join(dir, 'other');
  await create(other);
  cpSync(keyFilePaths(other).kpk, paths().kpk);
  await expect(load()).rejects.toThrow(/1255/);
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
  expect(await hmkId()).toBe('hmk1');
  expect(existsSync(`${data}.new`)).toBe(false);
  // Committed, not yet renamed: it is completed.
  renameSync(data, `${data}.new`);
  writeFileSync(join(dbDir, 'KMS_TXN.jnl'), journal);
  expect(await hmkId()).toBe('hmk1');
  expect(readdirSync(dbDir)).toEqual(['KMS_DATA.dat']);
  // Committed, and the file is nowhere: nobody guesses.
  writeFileSync(join(dbDir, 'KMS_TXN.jnl'), journal);
  truncateSync(data, 10);
  await expect(load()).rejects.toThrow(/1259/);
});
