import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeReaderKey, openBytes, type SealedSecret } from '@tapestry/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';

const TAG = 'ab'.repeat(32);
const reader = makeReaderKey();
const group = { name: 'ENCR_gold', cipher: 'AES_256', keys: 1, activeTag: TAG };
const key = { name: 'k1', tag: TAG, state: 'active', group: 'ENCR_gold', origin: 'random' };

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbkms']);
  shell.answer('nbkms', {
    GetInfo: async () => ({
      ...{ ready: true, hmkId: 'h1', kpkId: 'k1', keyGroups: 1, publicKey: reader.publicKey },
      ...{ byState: { active: 1 }, generation: 7n, quiesceCalls: 1 },
      calls: [{ name: 'copy', by: 'root@desk', startedMs: 1n }],
    }),
    ListKeyGroups: async ({ name }) => ({ groups: name === 'none' ? [] : [group] }),
    ListKeys: async () => ({ group, keys: [key] }),
    CreateKeyGroup: async () => group,
    CreateKey: async () => ({ key, changed: true, generation: 8n }),
    ModifyKey: async () => ({
      ...{ key, demoted: { ...key, name: 'k0' }, changed: true, generation: 8n },
      warnings: ['something to know'],
    }),
    DeleteKeyGroup: async () => ({ keysDeleted: 2 }),
    Quiesce: async () => ({
      ...{ outstanding: 2, generation: 7n, epoch: 1n },
      files: [{ path: '/kms/KMS_DATA.dat', sizeBytes: 3n, sha256: 'cd'.repeat(32) }],
    }),
    Unquiesce: async () => ({ outstanding: 1 }),
    Export: async () => ({
      ...{ exportId: 'e', sizeBytes: 6n, groups: 1, keys: 1 },
      sha256: createHash('sha256').update('sealed').digest('hex'),
    }),
    ReadExport: async ({ offset }) => ({
      bytes: Buffer.from('sealed').subarray(Number(offset), Number(offset) + 4),
    }),
    WriteImport: async () => ({ importId: 'i' }),
    Import: async () => ({
      groups: [
        { name: 'ENCR_gold', importedAs: 'ENCR_gold_1', imported: 1, skipped: [{ tag: TAG }] },
      ],
    }),
  });
});
afterAll(() => shell.stop());

const run = (line: string, typed?: readonly string[]) =>
  shell.run(`nbkmsutil ${line}`, typed === undefined ? {} : { typed });

test('the store, its groups and keys, for people and for programs', async () => {
  expect((await run('-gethmkid')).out).toBe('HMK ID: h1\n');
  const { out } = await run('-ksstats');
  expect(out).toMatch(/Key store: +ready/);
  expect(out).toMatch(/copy of root@desk/);
  expect(JSON.parse((await run('-ksstats -json')).out)).toMatchObject({ generation: 7 });
  expect((await run('-listkgs -kgname none')).status).toBe(227);
  expect((await run('-listkgs')).out).toMatch(/Has Active Key: +Yes[\s\S]*Number of Key Groups: 1/);
  expect((await run('-listkgs -noactive')).status).toBe(227);
  expect((await run('-listkgs -noverbose')).out).toMatch(/ENCR_gold +AES_256 +1 +Yes/);
  expect((await run('-listkeys -kgname ENCR_gold')).out).toMatch(/Current State: +ACTIVE/);
  expect((await run('-listkeys -kgname ENCR_gold -noverbose')).out).toContain(TAG);
  const json = JSON.parse((await run('-listkeys -kgname ENCR_gold -json')).out);
  expect(json.keys).toMatchObject([{ name: 'k1', state: 'active' }]);
});

test('a passphrase is typed twice, and leaves the command sealed', async () => {
  const line = '-createkey -kgname ENCR_gold -keyname k1 -activate -reason new';
  expect((await run(line, ['one', 'two'])).error).toContain('EXIT STATUS 1240');
  const { out, status } = await run(line, ['a long phrase', 'a long phrase']);
  expect([status, out]).toEqual([0, expect.stringMatching(/Key Tag: +abab/)]);
  const asked = shell.asked('nbkms', 'CreateKey') as { passphrase: SealedSecret };
  expect(asked).toMatchObject({
    ...{ group: 'ENCR_gold', name: 'k1', activate: true },
    asked: { requester: 'operator@desk', reason: 'new' },
  });
  expect(openBytes(asked.passphrase, reader, 'kms passphrase').toString()).toBe('a long phrase');
  expect((await run(`${line} -nopphrase`)).status).toBe(0);
  expect(shell.asked('nbkms', 'CreateKey')).toMatchObject({ passphrase: null });
});

test('a change says what else changed, and warns', async () => {
  const changed = await run('-modifykey -kgname ENCR_gold -keyname k1 -activate');
  expect(changed.out).toContain('k0 was active before');
  expect(changed.error).toBe('warning: something to know\n');
  expect((await run('-deletekg -kgname ENCR_gold -force')).out).toContain('2 keys');
  expect((await run('-createkg -kgname ENCR_gold -desc x')).out).toMatch(/Number of Keys: +1/);
});

test('quiesce tells the calls that are outstanding and what the copies must be', async () => {
  const { out } = await run('-quiescedb -lease copy -ttl 60');
  expect(out).toContain('Outstanding Quiesce Calls: 2');
  expect(out).toContain('cdcd');
  expect(shell.asked('nbkms', 'Quiesce')).toMatchObject({ name: 'copy', ttlMs: 60_000n });
  expect((await run('-unquiescedb')).out).toContain('Outstanding Quiesce Calls: 1');
  expect((await run('-unquiescedb -all')).error).toContain('-reason');
});

test('keys leave in a file of their own, and come in from one', async () => {
  const path = join(shell.dir, 'keys.exp');
  const out = await run(`-export -path ${path} -key_groups ENCR_gold ENCR_b`, ['p', 'p']);
  expect(out.out).toContain('1 key groups with 1 keys');
  expect(readFileSync(path, 'utf8')).toBe('sealed');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(shell.asked('nbkms', 'Export')).toMatchObject({ groups: ['ENCR_gold', 'ENCR_b'] });
  expect((await run(`-export -path ${path}`, ['p', 'p'])).error).toContain('EXIT STATUS 14');
  const taken = await run(`-import -path ${path} -preview`, ['p']);
  expect(taken.out).toMatch(/would be imported as ENCR_gold_1, 1 keys\n {2}skipped abab/);
  expect(shell.asked('nbkms', 'Import')).toMatchObject({ importId: 'i', preview: true });
  expect((await run(`-import -path ${path}.none`)).error).toContain('EXIT STATUS 12');
});

test.each([
  ['', 'stand first'],
  ['-createkg', '-kgname is needed'],
  ['-createkey -kgname g -keyname k -nopphrase -passfile f', 'exclude'],
  ['-modifykey -kgname g -keyname k -activate -state inactive', 'exclude'],
  ['-recoverkey -kgname g -keyname k', '-tag is needed'],
  ['-modifyhmk', '-id is needed'],
])('nbkmsutil %s: what is wrong is said', async (line, said) => {
  const { error, status } = await shell.run(['nbkmsutil', ...line.split(' ').filter(Boolean)]);
  expect(error).toContain(said);
  expect(status).not.toBe(0);
});
