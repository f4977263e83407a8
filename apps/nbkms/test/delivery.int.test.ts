import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeReaderKey, openBytes } from '@tapestry/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyChain } from '../src/adapters/audit-chain.ts';
import { type KmsWorld, startKmsWorld } from './kms-world.ts';

const group = 'ENCR_gold';
const reader = makeReaderKey();
const headerHash = Buffer.alloc(32, 5);
const grant = { attempt: { jobId: 7n, try: 1, step: 0 }, grantId: 'g1', epoch: 1n };
const write = { grant, headerHash, group, publicKey: reader.publicKey };

let world: KmsWorld;
beforeAll(async () => {
  world = await startKmsWorld();
  await world.command('-createemptydb');
  await world.start();
  grantIs({});
  await world.cli.CreateKeyGroup({ name: group });
});
afterAll(() => world.end());

function grantIs(change: object): void {
  const reply = { valid: true, mediaServer: 'media1', pool: group, writes: true, ...change };
  world.nbrb.answer({ CheckGrant: async () => reply });
}

const open = (reply: Awaited<ReturnType<typeof world.bptm.DeriveSegment>>) =>
  openBytes(reply.sealed!, reader, 'kms segment');

test('no active key: told at once, by either way of asking', async () => {
  await expect(world.bptm.CheckKeyGroup({ group })).rejects.toThrow(/1216.*nbkmsutil/);
  await expect(world.bptm.CheckKeyGroup({ group: 'ENCR_b' })).rejects.toThrow(/1210/);
  await expect(world.bptm.DeriveSegment(write)).rejects.toThrow(/1216/);
  await world.cli.CreateKey({ group, name: 'k1', activate: true });
  expect((await world.bptm.CheckKeyGroup({ group })).tag).toMatch(/^[0-9a-f]{64}$/);
});

test('who wrote under a salt reads under it; each segment has a salt of its own', async () => {
  const written = await world.bptm.DeriveSegment(write);
  const { tag, salt } = written;
  grantIs({ writes: false, pool: '' });
  const read = await world.bptm.DeriveSegment({ ...write, group: '', tag, salt });
  expect(open(read)).toEqual(open(written));
  expect(open(read)).toHaveLength(64);
  const other = { ...write, group: '', tag, salt, headerHash: Buffer.alloc(32, 6) };
  expect(open(await world.bptm.DeriveSegment(other))).not.toEqual(open(read));
  grantIs({});
  const again = await world.bptm.DeriveSegment(write);
  expect(Buffer.from(again.salt)).not.toEqual(Buffer.from(salt));
});

test('a key is given to the host of a valid grant for it alone', async () => {
  const refused = async (change: object, request: object = {}) => {
    grantIs(change);
    return await world.bptm.DeriveSegment({ ...write, ...request }).catch((error) => error.status);
  };
  expect(await refused({ valid: false })).toBe('staleGrant');
  expect(await refused({ mediaServer: 'media2' })).toBe('keyNotForHost');
  expect(await refused({ pool: 'NetBackup' })).toBe('keyNotForHost');
  expect(await refused({ writes: false })).toBe('keyNotForHost');
  expect(await refused({}, { grant: undefined })).toBe('staleGrant');
  expect(await refused({}, { tag: 'ab'.repeat(32), salt: Buffer.alloc(32) })).toBe('keyTagMissing');
  expect(await refused({}, { headerHash: Buffer.alloc(3) })).toBe('kmsUsage');
  grantIs({});
});

test('states decide who writes and who reads, quiesced or not', async () => {
  const { tag, salt } = await world.bptm.DeriveSegment(write);
  const read = { ...write, group: '', tag, salt };
  const move = (state: string) => world.cli.ModifyKey({ group, name: 'k1', state });
  await move('inactive');
  await expect(world.bptm.DeriveSegment(write)).rejects.toThrow(/1216/);
  await world.cli.Quiesce({});
  expect((await world.bptm.DeriveSegment(read)).tag).toBe(tag);
  await world.cli.HoldKey({ group, name: 'k1' });
  await expect(world.bptm.DeriveSegment(read)).rejects.toThrow(/1232/);
  await world.cli.Unquiesce({});
  await expect(world.bptm.DeriveSegment(read)).rejects.toThrow(/1228/);
  await move('inactive');
  expect((await world.bptm.DeriveSegment(read)).tag).toBe(tag);
});

test('what was written under a key is counted, each segment once', async () => {
  const { tag } = (await world.cli.ListKeys({ group })).keys[0]!;
  const use = { tag, segment: Buffer.alloc(16, 1), stream: 0, blocks: 10n, bytes: 1_000n };
  await world.bptm.ReportUsage(use);
  await world.bptm.ReportUsage(use);
  await world.bptm.ReportUsage({ ...use, segment: Buffer.alloc(16, 2) });
  const [key] = (await world.cli.ListKeys({ group })).keys;
  expect(key!.usage).toMatchObject({ segments: 2n, blocks: 20n, bytes: 2_000n });
});

test('each delivery and refusal stands in the trail, and no secret does', async () => {
  const reply = await world.cli.CreateKey({ group, name: 'k2', activate: true });
  const segment = open(await world.bptm.DeriveSegment(write));
  const text = readFileSync(join(world.dir, 'db/KMS_AUDIT.log'), 'utf8');
  expect(verifyChain(text).kind).toBe('whole');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({
    ...{ action: 'DeriveSegment', object: reply.key!.tag, outcome: 'ok', actor: 'bptm@media1' },
    reason: 'job 7, try 1',
  });
  for (const outcome of ['staleGrant', 'keyNotForHost', 'keyOnHold', 'keyForbidsDecrypt']) {
    expect(lines.some((line) => line.outcome === outcome)).toBe(true);
  }
  for (const form of ['hex', 'base64'] as const) {
    expect(text).not.toContain(segment.subarray(0, 32).toString(form));
  }
});
