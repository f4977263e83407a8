import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KmsWorld, startKmsWorld } from './kms-world.ts';

const PASSPHRASE = 'correct horse battery staple';

let world: KmsWorld;
beforeAll(async () => {
  world = await startKmsWorld();
});
afterAll(() => world.end());

const group = 'ENCR_gold';
const state = async (name: string) =>
  (await world.cli.ListKeys({ group, name })).keys.map((key) => key.state)[0];

test('no start without a store; one is made once by the command, and then it is served', async () => {
  await expect(world.start()).rejects.toThrow(/1250.*createemptydb/);
  const text = await world.command('-createemptydb', '-hmkid', 'site one');
  expect(text).toContain('KMS_DATA.dat');
  await expect(world.command('-createemptydb')).rejects.toMatchObject({
    ...{ code: 252, stderr: expect.stringContaining('EXIT STATUS 1262') },
  });
  await expect(world.command('-createemptydb', '-hmkid', '')).rejects.toMatchObject({ code: 252 });
  expect(await world.command('-info')).toMatch(/HMK ID: +site one\nHMK origin: +random/);
  expect(await world.command('-verifydb')).toMatch(/0 key groups, 0 keys, generation 1/);
  expect(await world.command('-help')).toContain('-resethmk');

  await world.start();
  expect(await world.cli.GetInfo({})).toMatchObject({
    ...{ ready: true, storeVersion: 1, cipher: 'AES_256', keyGroups: 0, keys: 0, readOnly: '' },
    ...{ hmkId: 'site one', kpkId: 'kpk1', quiesceCalls: 0, generation: 1n },
  });
  expect((await world.cli.ListKeyGroups({})).groups).toEqual([]);
  await expect(world.command('-verifydb')).rejects.toMatchObject({
    stderr: expect.stringMatching(new RegExp(`open in the process ${process.pid}`)),
  });
});

test('a group, and keys in the states that they are put into', async () => {
  const { cli } = world;
  expect(await cli.CreateKeyGroup({ name: group })).toMatchObject({ name: group, keys: 0 });
  await expect(cli.CreateKeyGroup({ name: group })).rejects.toThrow(/1211/);
  const first = await cli.CreateKey({ group, name: 'k1' });
  expect(first).toMatchObject({ key: { state: 'prelive', origin: 'random' }, demoted: null });
  await cli.ModifyKey({ group, name: 'k1', state: 'active' });
  const second = await cli.CreateKey({ group, name: 'k2', activate: true });
  expect(second.demoted).toMatchObject({ name: 'k1', state: 'inactive' });
  expect((await cli.ListKeys({ group, activeOnly: true })).keys).toMatchObject([{ name: 'k2' }]);
  await expect(cli.ModifyKey({ group, name: 'k1', state: 'terminated' })).rejects.toThrow(/1226/);
  await expect(cli.ModifyKey({ group, name: 'k1', state: 'gone' })).rejects.toThrow(/1209/);
  const left = await cli.ModifyKey({ group, name: 'k2', state: 'inactive' });
  expect(left.warnings).toEqual([expect.stringContaining('no active key')]);
  const same = await cli.ModifyKey({ group, name: 'k2', state: 'inactive' });
  expect(same).toMatchObject({ changed: false, generation: left.generation });
  await expect(cli.DeleteKey({ group, name: 'k2' })).rejects.toThrow(/1229/);
});

test('while quiesced every change is refused, each call counts, and reading goes on', async () => {
  const { cli } = world;
  const reply = await cli.Quiesce({});
  expect(reply).toMatchObject({ outstanding: 1, generation: (await cli.GetInfo({})).generation });
  expect(reply.files.map(({ path }) => path.split('/').at(-1))).toEqual([
    ...['KMS_DATA.dat', 'KMS_KPKF.dat', 'KMS_HMKF.dat'],
  ]);
  expect((await cli.Quiesce({ name: 'copy' })).outstanding).toBe(2);
  const names = { group, name: 'k1' };
  const refused = [
    cli.CreateKeyGroup({ name: 'ENCR_b' }),
    cli.ModifyKeyGroup({ name: group, description: 'x' }),
    cli.DeleteKeyGroup({ name: group }),
    cli.CreateKey({ group, name: 'k9' }),
    cli.ModifyKey({ ...names, state: 'active' }),
    cli.DeleteKey(names),
    cli.ModifyMasterKey({ which: 'kpk', id: 'k' }),
  ];
  for (const each of await Promise.allSettled(refused)) {
    expect(each).toMatchObject({ status: 'rejected', reason: { status: 'kmsQuiesced' } });
  }
  expect((await cli.ListKeys({ group })).keys).toHaveLength(2);
  await expect(cli.Unquiesce({ name: 'other' })).rejects.toThrow(/1206/);
  expect((await cli.Unquiesce({})).outstanding).toBe(1);

  // The calls outlive the daemon.
  await world.stop();
  await world.start();
  await expect(cli.CreateKeyGroup({ name: 'ENCR_b' })).rejects.toThrow(/1204.*copy/);
  expect(await cli.Unquiesce({ name: 'copy' })).toMatchObject({ outstanding: 0 });
  await expect(cli.Unquiesce({})).rejects.toThrow(/1205/);
  await cli.CreateKeyGroup({ name: 'ENCR_b' });
});

test('a call whose time is over ends by itself', async () => {
  const { cli } = world;
  await cli.Quiesce({ ttlMs: 50n });
  await expect.poll(async () => (await cli.GetInfo({})).quiesceCalls, { timeout: 10_000 }).toBe(0);
  await cli.ModifyKeyGroup({ name: 'ENCR_b', description: 'after' });
});

test('a key on hold is held at once; its state follows when the store is open again', async () => {
  const { cli } = world;
  await cli.ModifyKey({ group, name: 'k2', state: 'active' });
  await cli.Quiesce({ name: 'copy' });
  const held = await cli.HoldKey({ group, name: 'k2', compromised: true });
  expect(held.warnings).toEqual([expect.stringContaining('follows')]);
  expect((await cli.GetInfo({})).heldTags).toEqual([held.key!.tag]);
  expect(await state('k2')).toBe('active');
  await cli.Unquiesce({ name: 'copy' });
  await expect.poll(() => state('k2'), { timeout: 10_000 }).toBe('deprecated');
  await expect.poll(async () => (await cli.GetInfo({})).heldTags, { timeout: 10_000 }).toEqual([]);
});

test('a lost key is made again by its passphrase and first name, by nothing else', async () => {
  const { cli } = world;
  const made = await cli.CreateKey({
    group,
    name: 'p1',
    passphrase: await world.sealed(PASSPHRASE),
  });
  expect(made.key).toMatchObject({ origin: 'passphrase', derivationName: 'p1', profile: 1 });
  await cli.ModifyKey({ group, name: 'p1', newName: 'renamed' });
  await cli.DeleteKey({ group, name: 'renamed' });
  const { tag } = made.key!;
  const request = { group, name: 'again', tag, passphrase: await world.sealed(PASSPHRASE) };
  await expect(cli.RecoverKey(request)).rejects.toThrow(/1242/);
  await expect(cli.RecoverKey({ ...request, derivationName: 'p1' })).rejects.toThrow(/1208/);
  const again = await vitestRetry(() => cli.RecoverKey({ ...request, derivationName: 'p1' }));
  expect(again.key).toMatchObject({
    tag,
    state: 'inactive',
    origin: 'recovered',
    unverified: false,
  });
  const weak = cli.CreateKey({ group, name: 'w', passphrase: await world.sealed('short') });
  await expect(weak).rejects.toThrow(/1241/);
});

/** The pause after a wrong passphrase is a second. */
async function vitestRetry<T>(act: () => Promise<T>): Promise<T> {
  let answer: T | undefined;
  await expect
    .poll(
      async () => {
        answer = await act().catch(() => undefined);
        return answer;
      },
      { timeout: 20_000, interval: 500 },
    )
    .toBeDefined();
  return answer!;
}

test('other master keys: the same keys, and the old key files are of no use', async () => {
  const { cli } = world;
  const before = await cli.GetInfo({});
  const passphrase = await world.sealed(`${PASSPHRASE} two`);
  const after = await cli.ModifyMasterKey({ which: 'hmk', id: 'site two', passphrase });
  expect(after).toMatchObject({ hmkId: 'site two', hmkFromPassphrase: true, kpkId: 'kpk1' });
  expect(after.epoch).toBe(before.epoch + 1n);
  expect((await cli.ListKeys({ group })).keys).toHaveLength(3);
  await world.stop();
  const wrong = join(world.stateDir, 'wrong');
  writeFileSync(wrong, `${PASSPHRASE} three\n`, { mode: 0o600 });
  await expect(world.command('-resethmk', '-hmkpassfile', wrong)).rejects.toMatchObject({
    stderr: expect.stringContaining('EXIT STATUS 1242'),
  });
  expect(await world.command('-verifydb')).toMatch(/2 key groups, 3 keys/);
  await world.start();
});
