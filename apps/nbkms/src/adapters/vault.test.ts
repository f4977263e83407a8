import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGroup } from '../core/group-changes.ts';
import { addKey } from '../core/key-changes.ts';
import type { KeyStoreDocument } from '../core/key-store.ts';
import { hostFiles } from './file-port.ts';
import { STANDARD_POLICY } from './key-derivation.ts';
import {
  createKeyStore,
  keyFilePaths,
  loadKeyStore,
  openDocument,
  readKeyFile,
} from './key-files.ts';
import { proofOf } from './record-sealing.ts';
import { dataFileKey, sealFile } from './sealing.ts';
import { type Stop, stoppingFiles } from './stopping-files.test-data.ts';
import { openVault, type Vault } from './vault.ts';

const LIMITS = { groupsMax: 100, keysPerGroupMax: 100 };
const SECRET = Buffer.alloc(32, 7);
const random = (id: string) => ({ id, passphrase: undefined });
const origins = { hmk: random('h'), kpk: random('k'), policy: STANDARD_POLICY };

let root: string;
let seed: string;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'tapestry-vault-'));
  seed = join(root, 'seed');
  await createKeyStore(hostFiles, seed, origins, 1);
  const vault = await openVault(hostFiles, seed);
  await vault.commit(withGroup(vault.document, 'ENCR_a'), 2);
  await vault.commit(withKey(vault, 'k1', SECRET), 3);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function withGroup(document: KeyStoreDocument, name: string): KeyStoreDocument {
  const tag = Buffer.from(name).toString('hex');
  return createGroup(document, { name, cipher: '', description: '', tag }, LIMITS, 2).document;
}

function withKey(vault: Vault, name: string, secret: Buffer): KeyStoreDocument {
  const proof = proofOf(secret);
  const said = { origin: 'random', derivationName: '', profile: 0, unverified: false } as const;
  const material = { tag: proof, proof, wrapped: vault.wrap(secret), ...said };
  const request = { group: 'ENCR_a', name, description: '', state: 'active', material } as const;
  return addKey(vault.document, request, LIMITS, 3).document;
}

const copyOf = (name: string) => {
  const dir = join(root, name);
  cpSync(seed, dir, { recursive: true });
  for (const folder of ['db', 'key']) chmodSync(join(dir, folder), 0o700);
  return dir;
};
const names = ({ document }: { document: KeyStoreDocument }) =>
  document.groups.map(({ name }) => name);

test('what was committed is there after the next start, and a key opens to what it was', async () => {
  const vault = await openVault(hostFiles, seed);
  expect(vault.header).toMatchObject({ generation: 3n, epoch: 1n });
  expect(vault.secretOf(vault.document.keys[0]!)).toEqual(SECRET);
  const { data, dbDir } = keyFilePaths(seed);
  expect(readdirSync(dbDir).sort()).toEqual(['KMS_DATA.dat', 'KMS_DATA.dat.prev']);
  await vault.forgetPrevious();
  expect(readdirSync(dbDir)).toEqual(['KMS_DATA.dat']);
  expect(readFileSync(data).includes(SECRET)).toBe(false);
});

test('new master keys: the same keys, another epoch, and no file under the old ones is left', async () => {
  const vault = await openVault(hostFiles, seed);
  const old = vault.document.keys[0]!;
  const made = { id: 'k2', key: Buffer.alloc(32, 9), profile: undefined };
  await vault.replaceMasterKeys({ kpk: made }, 9);
  await vault.replaceMasterKeys({ hmk: { ...made, id: 'h2', key: Buffer.alloc(32, 8) } }, 9);
  const again = await openVault(hostFiles, seed);
  expect(again.header).toMatchObject({ epoch: 3n, generation: 5n });
  expect(again.document.keys[0]!.wrapped).not.toBe(old.wrapped);
  expect(again.secretOf(again.document.keys[0]!)).toEqual(SECRET);
  expect(readdirSync(keyFilePaths(seed).dbDir)).toEqual(['KMS_DATA.dat']);
});

const ACTS = {
  commit: (vault: Vault) => vault.commit(withGroup(vault.document, 'ENCR_new'), 5),
  masterKeys: (vault: Vault) =>
    vault.replaceMasterKeys(
      {
        hmk: { id: 'h2', key: Buffer.alloc(32, 1), profile: undefined },
        kpk: { id: 'k2', key: Buffer.alloc(32, 2), profile: undefined },
      },
      5,
    ),
} as const;

async function callsOf(act: keyof typeof ACTS): Promise<[number, number]> {
  const dir = copyOf(`count-${act}`);
  const host = stoppingFiles(undefined);
  const vault = await openVault(host.files, dir);
  const first = host.calls + 1;
  await ACTS[act](vault);
  return [first, host.calls];
}

test.each(['commit', 'masterKeys'] as const)(
  '%s: killed at any call, the next start has the old content or the new',
  async (act) => {
    const [first, last] = await callsOf(act);
    const seen = { old: 0, new: 0 };
    for (let at = first; at <= last; at += 1) {
      for (const when of ['before', 'half', 'after'] as const) {
        const dir = copyOf(`${act}-${at}-${when}`);
        const vault = await openVault(stoppingFiles(undefined).files, dir);
        const host = stoppingFiles({ kind: 'kill', at, when });
        const stopped = await openVault(host.files, dir);
        await expect(ACTS[act](stopped)).rejects.toThrow();
        const after = await openVault(hostFiles, dir);
        const isNew = after.header.generation === 4n;
        expect(after.header.generation).toBe(isNew ? 4n : 3n);
        if (act === 'commit') expect(names(after).includes('ENCR_new')).toBe(isNew);
        else expect(after.header.epoch).toBe(isNew ? 2n : 1n);
        expect(after.secretOf(after.document.keys[0]!)).toEqual(SECRET);
        // And it can be changed again.
        await after.commit(withGroup(after.document, 'ENCR_later'), 6);
        expect(vault.header.generation).toBe(3n);
        seen[isNew ? 'new' : 'old'] += 1;
        rmSync(dir, { recursive: true });
      }
    }
    expect(seen.old).toBeGreaterThan(10);
    expect(seen.new).toBeGreaterThan(0);
  },
);

test.each(['ENOSPC', 'EIO'])(
  '%s at any call of a commit: unchanged, or read-only and told so',
  async (code) => {
    const [first, last] = await callsOf('commit');
    const answers = new Set<string>();
    for (let at = first; at <= last; at += 1) {
      const dir = copyOf(`fail-${code}-${at}`);
      const vault = await openVault(stoppingFiles({ kind: 'fail', at, code }).files, dir);
      const failure = await ACTS.commit(vault).then(
        () => undefined,
        (error) => error,
      );
      const before = failure?.status ?? 'ok';
      answers.add(before);
      const after = await openVault(hostFiles, dir);
      expect(names(after)).toEqual(names(vault));
      if (vault.readOnly === '') {
        if (failure !== undefined) expect(names(vault)).toEqual(['ENCR_a']);
        await vault.commit(withGroup(vault.document, 'ENCR_later'), 6);
      } else {
        expect(before).toBe('kmsSyncFailed');
        await expect(vault.commit(withGroup(vault.document, 'ENCR_x'), 6)).rejects.toThrow(/1207/);
      }
      rmSync(dir, { recursive: true });
    }
    expect([...answers].sort()).toContain(code === 'EIO' ? 'kmsSyncFailed' : 'kmsNoSpace');
  },
);

test('one byte at a time is written well', async () => {
  const { files } = stoppingFiles(undefined);
  const slow = {
    ...files,
    create: async (path: string) => {
      const file = await files.create(path);
      return {
        ...file,
        write: (bytes: Uint8Array, at: number | null) => file.write(bytes.subarray(0, 1), at),
      };
    },
  };
  const vault = await openVault(slow, seed);
  await ACTS.commit(vault);
  expect(names(await openVault(hostFiles, seed))).toEqual(['ENCR_a', 'ENCR_new']);
});

test('two secrets that were exchanged inside the store are told, and nothing is changed any more', async () => {
  const vault = await openVault(hostFiles, seed);
  await vault.commit(withKey(vault, 'k2', Buffer.alloc(32, 3)), 4);
  const { data } = keyFilePaths(seed);
  const loaded = await loadKeyStore(hostFiles, seed);
  const [one, two] = loaded.document.keys;
  const keys = [
    { ...one!, wrapped: two!.wrapped },
    { ...two!, wrapped: one!.wrapped },
  ];
  const body = Buffer.from(JSON.stringify({ ...loaded.document, keys }));
  writeFileSync(data, sealFile(loaded.header, dataFileKey(loaded.hmk, loaded.header), body));
  const forged = await openVault(hostFiles, seed);
  expect(forged.readOnly).toContain('k1');
  for (const key of forged.document.keys) expect(() => forged.secretOf(key)).toThrow(/1253/);
  await expect(ACTS.commit(forged)).rejects.toThrow(/1207/);
  expect(openDocument(readKeyFile(data, 'data'), loaded.hmk).keys).toHaveLength(2);
});

test('a journal that is cut anywhere is no commit; one whose files are nowhere stops the start', async () => {
  const dir = copyOf('journal');
  const [first] = await callsOf('masterKeys');
  let journal: Buffer | undefined;
  for (let at = first; journal === undefined; at += 1) {
    rmSync(dir, { recursive: true });
    copyOf('journal');
    const stop: Stop = { kind: 'kill', at, when: 'before' };
    const vault = await openVault(stoppingFiles(stop).files, dir);
    await expect(ACTS.masterKeys(vault)).rejects.toThrow();
    const { dbDir } = keyFilePaths(dir);
    if (readdirSync(dbDir).includes('KMS_TXN.jnl'))
      journal = readFileSync(join(dbDir, 'KMS_TXN.jnl'));
  }
  const path = join(keyFilePaths(dir).dbDir, 'KMS_TXN.jnl');
  for (let end = 0; end < journal.length; end += 1) {
    writeFileSync(path, journal.subarray(0, end));
    const { header } = await openVault(hostFiles, dir);
    expect(header.epoch).toBe(1n);
    expect(existsSync(path)).toBe(false);
  }
  writeFileSync(path, journal);
  const before = readFileSync(keyFilePaths(dir).kpk);
  await expect(openVault(hostFiles, dir)).rejects.toThrow(/1259/);
  expect(readFileSync(keyFilePaths(dir).kpk)).toEqual(before);
});
