import { randomBytes } from 'node:crypto';
import { makeReaderKey, openCredential } from '@tapestry/contracts';
import { startDaemon } from '@tapestry/runtime';
import { openStore } from '@tapestry/store';
import { eventually, startTestDaemon, testLog } from '@tapestry/testkit';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { nbemm } from '../src/daemon.ts';
import { withNbemm } from './fixture.ts';

const world = withNbemm();

const element = (number: number, barcode: string, type = 'slot') => ({
  ...{ type, number, full: true, barcode },
});

function grant(jobId: bigint, epoch: bigint, grantId = `grant-${jobId}`) {
  return { attempt: { jobId, try: 1, step: 0 }, grantId, epoch };
}

async function addVolume(mediaId: string, pool: string, slot: number): Promise<void> {
  await world.cli.AddVolume({
    volume: { mediaId, barcode: `${mediaId}L8`, density: 'hcart', robotNumber: 0, slot, pool },
  });
}

function request(pool: string, more: object = {}) {
  const attempt = { jobId: 1n, try: 1, step: 0 };
  return {
    request: {
      ...{ attempt, mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'unit1', pool },
      ...{ retentionLevel: 1, ...more },
    },
  };
}

async function volumeRow(mediaId: string) {
  const { volumes } = await world.cli.ListVolumes({ mediaId });
  return volumes[0]!;
}

test('predefined pools, a scratch pool once, and names that clash', async () => {
  const names = (await world.cli.ListPools({})).pools.map((pool) => [pool.number, pool.name]);
  expect(names.slice(0, 4)).toEqual([
    [0, 'None'],
    [1, 'NetBackup'],
    [2, 'DataStore'],
    [3, 'CatalogBackup'],
  ]);
  await world.cli.AddPool({ name: 'Spare', scratch: true });
  await expect(world.cli.AddPool({ name: 'Spare' })).rejects.toThrow(/226/);
  await expect(world.cli.AddPool({ name: 'Other', scratch: true })).rejects.toThrow(/224/);
});

test('what an administrator writes wrongly is refused with the number he knows', async () => {
  const drive = { name: 'd', density: 'hcart', mediaServer: 'nobody', path: 'x', robotDrive: 3 };
  await expect(world.cli.AddDrive({ drive })).rejects.toThrow(/2101/);
  await expect(
    world.cli.AddDrive({ drive: { ...drive, mediaServer: 'media1', robotNumber: 9 } }),
  ).rejects.toThrow(/2059/);
  await expect(
    world.cli.AddDrive({ drive: { ...drive, mediaServer: 'media1', name: 'drive0' } }),
  ).rejects.toThrow(/226/);
  await expect(world.cli.DeleteDrive({ name: 'nothing' })).rejects.toThrow(/227/);
  const volume = { mediaId: 'TOOLONG1', density: 'hcart' };
  await expect(world.cli.AddVolume({ volume })).rejects.toThrow(/171/);
  await expect(
    world.cli.AddVolume({ volume: { mediaId: 'A1', density: 'paper' } }),
  ).rejects.toThrow(/223/);
  await expect(
    world.cli.AddVolume({ volume: { mediaId: 'A1', density: 'hcart', pool: 'nope' } }),
  ).rejects.toThrow(/167/);
  await expect(world.cli.DeleteRobot({ number: 0 })).rejects.toThrow(/224/);
});

async function firstVolume(pool: string) {
  const { choices } = await world.asNbrb.Evaluate(request(pool));
  return choices[0]!.volumes[0]!;
}

test('a volume is assigned once, as it was chosen, and given back while nothing is on it', async () => {
  await world.cli.AddPool({ name: 'Assign' });
  await addVolume('S00001', 'Spare', 11);
  const candidate = await firstVolume('Assign');
  expect(candidate).toMatchObject({ needsAssign: true, volume: { mediaId: 'S00001' } });
  const assign = {
    ...{ grantId: 'g1', mediaId: 'S00001', volumeVersion: candidate.version },
    ...{ pool: 'Assign', retentionLevel: 1, mediaServer: 'media1' },
  };
  const first = await world.asNbrb.AssignVolume(assign);
  expect(first.volume).toMatchObject({ pool: 'Assign', retentionLevel: 1 });
  expect(first.volume!.assignedMs).toBeGreaterThan(0n);
  expect(await world.asNbrb.AssignVolume(assign)).toEqual(first);
  await expect(world.asNbrb.AssignVolume({ ...assign, grantId: 'g2' })).rejects.toThrow(/224/);

  await world.asNbrb.UnassignVolume({ grantId: 'g2', mediaId: 'S00001' });
  expect((await volumeRow('S00001')).volume?.pool).toBe('Assign');
  await world.asNbrb.UnassignVolume({ grantId: 'g1', mediaId: 'S00001' });
  await world.asNbrb.UnassignVolume({ grantId: 'g1', mediaId: 'S00001' });
  expect((await volumeRow('S00001')).volume).toMatchObject({ pool: 'Spare', assignedMs: 0n });

  const { version: volumeVersion } = await firstVolume('Assign');
  const second = await world.asNbrb.AssignVolume({ ...assign, grantId: 'g3', volumeVersion });
  expect(second.volume!.assignedMs).toBeGreaterThan(first.volume!.assignedMs);
});

test('closed fragments move the append point, once each, and no grant of the past moves it back', async () => {
  await world.cli.AddPool({ name: 'Append' });
  await addVolume('F00001', 'Append', 21);
  const { version: volumeVersion } = await firstVolume('Append');
  const assign = { grantId: 'grant-7', mediaId: 'F00001', volumeVersion, pool: 'Append' };
  await world.asNbrb.AssignVolume({ ...assign, retentionLevel: 1, mediaServer: 'media1' });
  const record = (epoch: bigint, fileNumber: number, blockNumber: bigint, backupId: string) =>
    world.asBptm.RecordFragment({
      ...{ grant: grant(7n, epoch), mediaId: 'F00001', writtenBytes: 1_000n, atMs: 5n, backupId },
      append: { fileNumber, blockNumber, trailerDigest: new Uint8Array([1]), fragment: backupId },
      expirationS: 99n,
    });
  await record(7n, 2, 10n, 'a_1');
  await record(7n, 3, 20n, 'a_1');
  await record(7n, 2, 10n, 'a_1');
  await expect(record(6n, 9, 90n, 'old_1')).rejects.toThrow(/902/);
  const row = await volumeRow('F00001');
  expect(row).toMatchObject({ images: 1, writtenBytes: 2_000n, dataExpirationS: 99n });
  expect(row.volume?.append).toMatchObject({ fileNumber: 3, blockNumber: 20n });
  // Two images that share a tape file, told of apart: both count, and a repeat of either does not.
  const shared = { grant: grant(7n, 7n), mediaId: 'F00001', writtenBytes: 10n, atMs: 5n };
  for (const [backupId, expirationS] of [
    ['c_1', 99n],
    ['d_1', 200n],
    ['c_1', 99n],
  ] as const) {
    const fragment = `${backupId} 1`;
    const append = {
      fileNumber: 4,
      blockNumber: 30n,
      trailerDigest: new Uint8Array([1]),
      fragment,
    };
    await world.asBptm.RecordFragment({ ...shared, backupId, expirationS, append });
  }
  const late = { fileNumber: 3, blockNumber: 20n, fragment: 'e_1 1' };
  await world.asBptm.RecordFragment({
    ...shared,
    backupId: 'e_1',
    expirationS: 300n,
    append: late,
  });
  const both = await volumeRow('F00001');
  expect(both).toMatchObject({ images: 3, writtenBytes: 2_020n, dataExpirationS: 300n });
  expect(both.volume?.append).toMatchObject({ fileNumber: 4, blockNumber: 30n });
  // A later grant found the tail unclosed and wrote over it: its word counts, though it is lower.
  await record(8n, 3, 15n, 'b_1');
  expect((await volumeRow('F00001')).volume?.append?.blockNumber).toBe(15n);
  await world.asNbrb.UnassignVolume({ grantId: 'grant-7', mediaId: 'F00001' });
  expect((await volumeRow('F00001')).volume?.assignedMs).toBeGreaterThan(0n);
  await expect(world.cli.DeleteVolume({ name: 'F00001' })).rejects.toThrow(/224/);
});

test('mounts are counted once, the third error freezes the volume, FULL takes it out', async () => {
  await world.cli.AddPool({ name: 'Errors' });
  await addVolume('E00001', 'Errors', 31);
  const tell = (event: 'MOUNTED' | 'WRITE_ERROR' | 'FULL', atMs: bigint) =>
    world.asBptm.RecordMediaEvent({
      ...{ grant: grant(8n, 8n), mediaId: 'E00001', drive: 'drive0', atMs },
      event: `MEDIA_EVENT_${event}`,
    });
  await tell('MOUNTED', 1_000n);
  await tell('MOUNTED', 1_000n);
  expect(await volumeRow('E00001')).toMatchObject({ mounts: 1, firstMountMs: 1_000n });
  const [option] = (await world.asNbrb.Evaluate(request('Errors'))).choices;
  expect(option?.drives.map(({ name }) => name).sort()).toEqual(['drive0', 'drive1']);
  expect(option?.volumes).toMatchObject([{ mountedDrive: 'drive0' }]);
  for (const atMs of [2_000n, 2_001n, 2_001n]) await tell('WRITE_ERROR', atMs);
  expect(await volumeRow('E00001')).toMatchObject({ errors: 2, statusBits: 0 });
  await tell('WRITE_ERROR', 2_002n);
  expect(await volumeRow('E00001')).toMatchObject({ errors: 3, statusBits: 1 });
  expect((await world.asNbrb.Evaluate(request('Errors'))).refusal?.code).toBe(96);
  await tell('FULL', 3_000n);
  expect((await volumeRow('E00001')).statusBits).toBe(9);
});

test('a drive that is down is not offered, and up again is', async () => {
  await world.cli.AddPool({ name: 'Down' });
  await addVolume('D00001', 'Down', 41);
  for (const name of ['drive0', 'drive1']) {
    await world.cli.SetDriveState({ name, up: false, reason: 'dirty' });
  }
  const down = await world.asNbrb.Evaluate(request('Down'));
  expect(down.refusal).toMatchObject({ code: 2008, detail: expect.stringContaining('dirty') });
  for (const name of ['drive0', 'drive1']) await world.cli.SetDriveState({ name, up: true });
  expect((await world.asNbrb.Evaluate(request('Down'))).choices[0]?.drives).toHaveLength(2);
});

test('an inventory adds, moves and removes as the robot says, or only tells', async () => {
  const elements = [
    element(51, 'R00001L8'),
    element(52, 'R00002L8'),
    element(1, 'R00003L8', 'drive'),
  ];
  world.ltid.answer({ ReadElements: async () => ({ elements }) });
  await world.cli.AddPool({ name: 'Robot' });
  const told = await world.cli.InventoryRobot({
    robotNumber: 0,
    pool: 'Robot',
    recommendOnly: true,
  });
  expect(told.applied).toBe(false);
  const added = told.changes.filter((each) => each.change === 'add').map((each) => each.mediaId);
  expect(added).toEqual(['R00001', 'R00002', 'R00003']);
  expect((await world.cli.ListVolumes({ pool: 'Robot' })).volumes).toEqual([]);

  await world.cli.InventoryRobot({ robotNumber: 0, pool: 'Robot' });
  expect(await volumeRow('R00001')).toMatchObject({
    volume: { slot: 51, barcode: 'R00001L8', density: 'hcart', pool: 'Robot' },
    mediaType: 'HCART',
    robotType: 'tld',
  });
  elements.splice(0, 2, element(53, 'R00001L8'));
  await world.cli.InventoryRobot({ robotNumber: 0, pool: 'Robot' });
  expect((await volumeRow('R00001')).volume?.slot).toBe(53);
  expect((await volumeRow('R00002')).volume?.slot).toBe(0);
});

test('a credential goes sealed to the holder of a valid grant, and to nobody else', async () => {
  const password = `secret-${randomBytes(8).toString('hex')}`;
  await world.cli.AddNdmpHost({ name: 'filer1', address: '127.0.0.1', user: 'root', password });
  await expect(world.cli.AddNdmpHost({ name: 'filer1', user: 'x', password: 'y' })).rejects.toThrow(
    /226/,
  );
  await world.cli.AddNdmpHost({ name: 'filer1', port: 10_001, update: true });
  const key = makeReaderKey();
  const ask = (grantId: string, ndmpHost: string) =>
    world.asAgent.GetNdmpCredential({
      ...{ grant: grant(9n, 9n, grantId), ndmpHost, publicKey: key.publicKey },
    });
  const answer = await ask('good', 'filer1');
  expect(answer).toMatchObject({ address: '127.0.0.1', port: 10_001, auth: 'md5' });
  expect(openCredential(answer, key)).toEqual({ user: 'root', password });
  await expect(ask('dead', 'filer1')).rejects.toThrow(/902/);
  await expect(ask('good', 'filer9')).rejects.toThrow(/2108/);
  expect(JSON.stringify(await world.cli.ListNdmpHosts({}))).not.toContain(password);

  const store = await openStore({
    ...{ connection: { url: world.databaseUrl }, schema: 'looker', migrations: {} },
    log: testLog,
  });
  const { rows } = await sql<object>`select * from nbemm.ndmp_hosts`.execute(store.db);
  await store.close();
  const stored = rows.map((row) => Object.values(row).map(String).join()).join();
  expect(stored).not.toContain(password);
});

test('a change is told to whoever hears it, and a restart forgets nothing', async () => {
  const heard: string[] = [];
  await world.asNbrbBus.hear('ResourcesChanged', ({ what }) => heard.push(what));
  await world.cli.AddPool({ name: 'Told' });
  await eventually('the change is heard', () => heard.includes('pool Told'));
  const { stateDir } = world.daemon;
  await world.daemon.stop();
  world.daemon = await startTestDaemon(nbemm, world.bus, {
    ...{ stateDir, env: { TAPESTRY_DATABASE_URL: world.databaseUrl } },
  });
  expect((await world.cli.ListPools({ name: 'Told' })).pools).toHaveLength(1);
  expect((await world.cli.GetDevices({ mediaServer: 'media1' })).drives).toHaveLength(2);
  const key = makeReaderKey();
  const ask = { grant: grant(9n, 9n, 'good'), ndmpHost: 'filer1', publicKey: key.publicKey };
  expect(openCredential(await world.asAgent.GetNdmpCredential(ask), key).user).toBe('root');
});

test('settings that it does not know are refused', async () => {
  const env = { NBEMM_SPEED: 'high', TAPESTRY_DATABASE_URL: world.databaseUrl };
  await expect(startDaemon(nbemm, { argv: [], env })).rejects.toThrow(/20 .*speed/i);
});

test('a disk storage unit is offered once its media server has told of room', async () => {
  const unit = { label: 'disk1', type: 'Disk', mediaServer: 'media1', path: '/backup' };
  await world.cli.AddStorageUnit({ unit: { ...unit, diskType: 'BasicDisk', maxDrives: 2 } });
  const ask = { request: { mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'disk1' } };
  const before = await world.asNbrb.Evaluate({ ...ask, nowMs: BigInt(Date.now()) });
  expect(before).toMatchObject({ choices: [], refusal: null });
  expect(before.reasons[0]).toContain('media1 has not told how full it is');
  const disks = [{ storageUnit: 'disk1', capacityBytes: 100n, freeBytes: 50n }];
  const changes = async () =>
    (await world.cli.ListChanges({})).changes.filter(({ what }) => what === 'storage unit disk1');
  const { length } = await changes();
  await world.asBptm.ReportDisks({ disks });
  await world.asBptm.ReportDisks({ disks });
  expect((await world.cli.ListStorageUnits({})).disks).toMatchObject(disks);
  // Told once, so that those who wait for it are looked at.
  expect(await changes()).toHaveLength(length + 1);
  const { choices } = await world.asNbrb.Evaluate({ ...ask, nowMs: BigInt(Date.now()) });
  expect(choices).toMatchObject([{ diskPath: '/backup', maxDrives: 2, drives: [], volumes: [] }]);
});
