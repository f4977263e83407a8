import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KmsWorld, startKmsWorld } from './kms-world.ts';

const PASSPHRASE = 'correct horse battery staple';

let here: KmsWorld;
let there: KmsWorld;
beforeAll(async () => {
  [here, there] = await Promise.all([startKmsWorld(), startKmsWorld()]);
  for (const world of [here, there]) {
    await world.command('-createemptydb');
    await world.start();
  }
  await here.cli.CreateKeyGroup({ name: 'ENCR_a' });
  await here.cli.CreateKey({ group: 'ENCR_a', name: 'k1', activate: true });
});
afterAll(() => Promise.all([here.end(), there.end()]));

async function exported(): Promise<Buffer> {
  const request = { groups: ['ENCR_a'], passphrase: await here.sealed(PASSPHRASE) };
  const { exportId, sizeBytes } = await here.cli.Export(request);
  const pieces: Uint8Array[] = [];
  let offset = 0;
  while (offset < Number(sizeBytes)) {
    const { bytes } = await here.cli.ReadExport({ exportId, offset: BigInt(offset) });
    pieces.push(bytes);
    offset += bytes.length;
  }
  await expect(here.cli.ReadExport({ exportId, offset: 0n })).rejects.toThrow(/227/);
  return Buffer.concat(pieces);
}

async function take(file: Buffer, options: object = {}, passphrase = PASSPHRASE) {
  let importId = '';
  for (let at = 0; at < file.length; at += 1_000) {
    const piece = { importId, offset: BigInt(at), bytes: file.subarray(at, at + 1_000) };
    ({ importId } = await there.cli.WriteImport(piece));
  }
  const sealed = await there.sealed(passphrase);
  return await there.cli.Import({ importId, passphrase: sealed, ...options });
}

test('keys go to another site, once, in the state that lets them be read with', async () => {
  const file = await exported();
  await expect(take(file, {}, `${PASSPHRASE} not`)).rejects.toThrow(/1281/);

  // Told while nothing may change, and nothing does.
  await there.cli.Quiesce({});
  expect((await take(file, { preview: true })).groups).toMatchObject([{ imported: 1 }]);
  await expect(take(file)).rejects.toThrow(/1204/);
  await there.cli.Unquiesce({});
  expect((await there.cli.ListKeyGroups({})).groups).toEqual([]);

  const { groups } = await take(file, { preserveNames: true, description: 'from there' });
  expect(groups).toMatchObject([{ name: 'ENCR_a', importedAs: 'ENCR_a', imported: 1 }]);
  const { keys } = await there.cli.ListKeys({ group: 'ENCR_a' });
  const [original] = (await here.cli.ListKeys({ group: 'ENCR_a' })).keys;
  expect(keys).toMatchObject([{ tag: original!.tag, state: 'inactive', origin: 'imported' }]);
  expect((await take(file)).groups).toMatchObject([{ imported: 0, skipped: [{}] }]);

  // What was written there is read here.
  const ask = { headerHash: Buffer.alloc(32), publicKey: Buffer.alloc(32, 9) };
  const grant = { attempt: { jobId: 1n, try: 1, step: 0 }, grantId: 'g', epoch: 1n };
  there.nbrb.answer({ CheckGrant: async () => ({ valid: true, mediaServer: 'media1' }) });
  const request = { ...ask, grant, tag: original!.tag, salt: Buffer.alloc(32) };
  expect((await there.bptm.DeriveSegment(request)).tag).toBe(original!.tag);
});

test('pieces out of order, and what is no export, are refused', async () => {
  const { importId } = await there.cli.WriteImport({ bytes: Buffer.from('something else') });
  await expect(there.cli.WriteImport({ importId, offset: 99n })).rejects.toThrow(/1209/);
  const passphrase = await there.sealed(PASSPHRASE);
  await expect(there.cli.Import({ importId, passphrase })).rejects.toThrow(/1280/);
  await expect(there.cli.Import({ importId: 'x', passphrase })).rejects.toThrow(/227/);
});
