// The records of the EMM database as administrators change them: what is refused while something is in use, and what
// those who watch hear of it.

import { beforeEach, expect, test } from 'vitest';
import { withNbemm } from './fixture.ts';

const world = withNbemm();

/** What nbrb and bpdbm say of use; a test that wants more says so itself. */
beforeEach(() => {
  const checkGrant = async () => ({ valid: true, mediaServer: 'media1' });
  world.nbrb.answer({ Dump: async () => ({}), CheckGrant: checkGrant });
  world.bpdbm.answer({ ListPolicies: async () => ({}) });
});

function grantOf(drive: string, mediaId = '') {
  return {
    state: 'active',
    grant: {
      ...{ grantId: 'g', attempt: { jobId: 77n, try: 1, step: 0 } },
      ...{ drive: { name: drive }, volume: { mediaId } },
    },
  };
}

const policy = { name: 'filers', residence: 'unit9', pool: 'Named', schedules: [] };

async function driveRow(name: string, mediaServer = '') {
  const { drives } = await world.cli.GetDevices({ mediaServer });
  return drives.find(({ drive }) => drive?.name === name);
}

async function addServer(name: string): Promise<void> {
  const bpcd = (await world.bus.as({ service: 'bpcd', host: name })).client('nbemm');
  await bpcd.RegisterMediaServer({ name, version: '1' });
}

test('a drive that two hosts reach is one drive with two paths, each up or down by itself', async () => {
  await addServer('media2');
  const path = { mediaServer: 'media2', path: '/dev/nst0' };
  await world.cli.AddDrivePath({ drive: 'drive1', path });
  await expect(world.cli.AddDrivePath({ drive: 'drive1', path })).rejects.toThrow(/226/);
  await expect(world.cli.AddDrivePath({ drive: 'drive0', path })).rejects.toThrow(/224 .*drive1/);
  expect((await driveRow('drive1'))?.paths).toHaveLength(2);
  expect((await driveRow('drive1', 'media2'))?.drive).toMatchObject(path);
  expect(await driveRow('drive0', 'media2')).toBeUndefined();

  await world.cli.AddPool({ name: 'Paths' });
  const volume = { mediaId: 'P00001', barcode: 'P00001L8', density: 'hcart', slot: 91 };
  await world.cli.AddVolume({ volume: { ...volume, pool: 'Paths' } });
  await world.cli.AddStorageUnit({
    unit: { label: 'unit2', mediaServer: 'media2', density: 'hcart', robotNumber: 0 },
  });
  const request = { mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'unit2', pool: 'Paths' };
  const [choice] = (await world.asNbrb.Evaluate({ request })).choices;
  expect(choice?.drives).toMatchObject([{ name: 'drive1', ...path }]);
  const down = { ...path, up: false, reason: 'cable' };
  await world.cli.SetDrivePathState({ drive: 'drive1', path: down });
  expect((await world.asNbrb.Evaluate({ request })).refusal?.code).toBe(2008);
  expect(await driveRow('drive1', 'media2')).toMatchObject({ state: 'DOWN', reason: 'cable' });
  expect((await driveRow('drive1', 'media1'))?.state).toBe('UP');

  const ltid = (await world.bus.as({ service: 'ltid', host: 'media2' })).client('nbemm');
  await ltid.SetDrivePathState({ drive: 'drive1', path: { ...path, up: true } });
  expect(await driveRow('drive1', 'media2')).toMatchObject({ state: 'UP', reason: '' });
  const others = { mediaServer: 'media1', path: 'vtl:/lib#2', up: false };
  await expect(ltid.SetDrivePathState({ drive: 'drive1', path: others })).rejects.toThrow(/37 /);

  await world.cli.DeleteDrivePath({ drive: 'drive1', path });
  await expect(world.cli.DeleteDrivePath({ drive: 'drive1', path })).rejects.toThrow(/227/);
  const last = { mediaServer: 'media1', path: 'vtl:/lib#2' };
  await expect(world.cli.DeleteDrivePath({ drive: 'drive1', path: last })).rejects.toThrow(/last/);
});

test('drives and robots are changed in place, and go only when nobody uses them', async () => {
  await world.cli.AddRobot({
    robot: { number: 5, type: 'tld', controlHost: 'media1', path: 'vtl:/five' },
  });
  const twin = { number: 6, type: 'tld', controlHost: 'media1', path: 'vtl:/five' };
  await expect(world.cli.AddRobot({ robot: twin })).rejects.toThrow(/224 .*robot 5/);
  const drive = { name: 'five0', density: 'hcart', mediaServer: 'media1', path: 'vtl:/five#1' };
  await world.cli.AddDrive({ drive: { ...drive, robotNumber: 5, robotDrive: 1 } });
  const update = { name: 'five0', drive: { name: 'fiveA', density: 'hcart2', path: 'vtl:/5#1' } };
  await world.cli.UpdateDrive({ ...update, set: ['name', 'density', 'path'] });
  expect((await driveRow('fiveA'))?.drive).toMatchObject({ density: 'hcart2', path: 'vtl:/5#1' });
  await world.cli.UpdateRobot({ robot: { number: 5, path: 'vtl:/V' }, set: ['path'] });
  const { robots } = await world.cli.GetDevices({});
  expect(robots.find(({ number }) => number === 5)).toMatchObject({ path: 'vtl:/V', type: 'tld' });

  await expect(world.cli.DeleteRobot({ number: 5 })).rejects.toThrow(/224 .*fiveA/);
  world.nbrb.answer({ Dump: async () => ({ grants: [grantOf('fiveA')] }) });
  await expect(world.cli.DeleteDrive({ name: 'fiveA' })).rejects.toThrow(/2004 .*job 77/);
  await expect(world.cli.UpdateDrive({ ...update, name: 'fiveA', set: ['name'] })).rejects.toThrow(
    /2004/,
  );
  const lost = { kind: 'drive', name: 'fiveA', reason: 'no word from its host' };
  world.nbrb.answer({ Dump: async () => ({ unknown: [lost] }) });
  await expect(world.cli.DeleteDrive({ name: 'fiveA' })).rejects.toThrow(/2004 .*no word/);
  world.nbrb.answer({ Dump: async () => ({}) });
  await world.cli.DeleteDrive({ name: 'fiveA' });
  await world.cli.DeleteRobot({ number: 5 });
});

test('a machine is paused over its restarts, and goes only with its devices', async () => {
  await addServer('media3');
  const state = async () =>
    (await world.cli.ListMachines({ name: 'media3' })).machines.map((each) => each.state);
  await world.cli.SetMachineState({ name: 'media3', paused: true });
  await addServer('media3');
  expect(await state()).toEqual(['paused']);
  await world.cli.SetMachineState({ name: 'media3', paused: false });
  expect(await state()).toEqual(['active']);
  const robot = { number: 8, type: 'tld', controlHost: 'media3', path: '/dev/sg3' };
  await world.cli.AddRobot({ robot });
  const drive = { name: 'eight0', density: 'hcart', mediaServer: 'media3', path: '/dev/nst3' };
  await world.cli.AddDrive({ drive: { ...drive, robotNumber: 8, robotDrive: 1 } });
  await expect(world.cli.DeleteMachine({ name: 'media3' })).rejects.toThrow(/224 .*eight0/);
  await expect(world.cli.DeleteMachine({ name: 'nobody' })).rejects.toThrow(/2110/);
  await world.cli.DeleteMachineDevices({ name: 'media3' });
  expect(await driveRow('eight0')).toBeUndefined();
  await world.cli.DeleteMachine({ name: 'media3' });
  await world.cli.AddMachine({ name: 'media4', type: 'media', description: 'to come' });
  const { machines } = await world.cli.ListMachines({});
  expect(machines[0]).toMatchObject({ name: 'primary', type: 'primary' });
  expect(machines.find(({ name }) => name === 'media4')?.state).toBe('inactive');
  await expect(world.cli.AddMachine({ name: 'x', type: 'ndmp' })).rejects.toThrow(/223/);
});

test('volumes are changed together or not at all; what is assigned keeps its pool', async () => {
  await world.cli.AddPool({ name: 'Change' });
  for (const mediaId of ['C00001', 'C00002', 'C00003']) {
    const volume = { mediaId, density: 'hcart', pool: 'Change' };
    await world.cli.AddVolume({ volume, volumeGroup: 'shelf' });
  }
  const assign = { grantId: 'gc', mediaId: 'C00003', volumeVersion: 1n, pool: 'Change' };
  await world.asNbrb.AssignVolume({ ...assign, retentionLevel: 1, mediaServer: 'media1' });
  const toPool = (mediaIds: string[]) =>
    world.cli.ChangeVolumes({ mediaIds, change: { pool: 'NetBackup' }, set: ['pool'] });
  await expect(toPool(['C00001', 'C00003'])).rejects.toThrow(/224 .*C00003/);
  const row = async (mediaId: string) => (await world.cli.ListVolumes({ mediaId })).volumes[0]!;
  expect((await row('C00001')).volume?.pool).toBe('Change');
  await toPool(['C00001', 'C00002']);
  expect(await row('C00001')).toMatchObject({ previousPool: 'Change', version: 2n });
  await world.cli.ChangeVolumes({
    ...{ volumeGroup: 'shelf', change: { maxMounts: 9, offsite: { location: 'vault' } } },
    set: ['maxMounts', 'offsite.location'],
  });
  expect(await row('C00003')).toMatchObject({ maxMounts: 9, offsite: { location: 'vault' } });
  await world.cli.ChangeVolumes({
    ...{ mediaIds: ['C00001'], change: { robotNumber: 0, slot: 81 }, set: ['slot'] },
  });
  expect(await row('C00001')).toMatchObject({
    ...{ volumeGroup: '000_00000_TLD', volume: { slot: 81 }, robotHost: 'media1' },
  });
  const intoTaken = { mediaIds: ['C00002'], change: { robotNumber: 0, slot: 81 }, set: ['slot'] };
  await expect(world.cli.ChangeVolumes(intoTaken)).rejects.toThrow(/224 .*C00001/);
  await expect(toPool(['NOSUCH'])).rejects.toThrow(/2031/);

  await expect(world.cli.DeleteVolumeGroup({ name: 'shelf' })).rejects.toThrow(/224 .*C00003/);
  expect((await world.cli.ListVolumes({ volumeGroup: 'shelf' })).volumes).toHaveLength(2);
  world.nbrb.answer({ Dump: async () => ({ grants: [grantOf('d', 'C00002')] }) });
  await expect(world.cli.DeleteVolume({ name: 'C00002' })).rejects.toThrow(/97/);
});

test('volumes come in pages', async () => {
  for (const mediaId of ['Y1', 'Y2', 'Y3']) {
    await world.cli.AddVolume({ volume: { mediaId, density: 'dlt' }, volumeGroup: 'pages' });
  }
  const page = async (afterMediaId: string) => {
    const filter = { volumeGroup: 'pages', afterMediaId, limit: 2 };
    const { volumes, more } = await world.cli.ListVolumes(filter);
    return [volumes.map(({ volume }) => volume?.mediaId), more];
  };
  expect(await page('')).toEqual([['Y1', 'Y2'], true]);
  expect(await page('Y2')).toEqual([['Y3'], false]);
});

test('volumes are found by a part of their names and by state, and counted by it', async () => {
  await world.cli.AddPool({ name: 'Bare', scratch: true });
  const add = (mediaId: string, pool: string, more = {}) =>
    world.cli.AddVolume({
      ...{ volume: { mediaId, density: 'dlt2', pool, barcode: `${mediaId}L6` }, ...more },
    });
  await add('Q00001', 'Bare');
  await add('Q00002', 'NetBackup');
  await add('Q00003', 'NetBackup', { expirationMs: 1n });
  await add('Q00004', 'NetBackup');
  await world.cli.SetVolumeStatus({ mediaId: 'Q00004', action: 'freeze' });
  const assign = { grantId: 'gq', mediaId: 'Q00002', volumeVersion: 1n, pool: 'NetBackup' };
  await world.asNbrb.AssignVolume({ ...assign, retentionLevel: 1, mediaServer: 'media1' });
  const find = async (filter: object) => {
    const { volumes, counts } = await world.cli.ListVolumes({ withCounts: true, ...filter });
    return { found: volumes.map(({ volume, state }) => `${volume?.mediaId} ${state}`), counts };
  };
  const counts = { scratch: 1, active: 1, expired: 1, frozen: 1 };
  expect(await find({ text: 'q0000' })).toEqual({
    ...{ found: ['Q00001 scratch', 'Q00002 active', 'Q00003 expired', 'Q00004 frozen'], counts },
  });
  const some = await find({ text: 'q0000', states: ['frozen', 'scratch'], limit: 1 });
  expect(some).toEqual({ found: ['Q00001 scratch'], counts });
  expect((await find({ text: '3l6' })).found).toEqual(['Q00003 expired']);
  expect(await find({ text: '%' })).toEqual({ found: [], counts: {} });
  // There is one scratch pool at most, and another test has its own.
  await world.cli.DeleteVolume({ name: 'Q00001' });
  await world.cli.DeletePool({ name: 'Bare' });
});

test('a frozen volume is not written; unfreezing forgives what froze it', async () => {
  await world.cli.AddPool({ name: 'Frost' });
  const volume = { mediaId: 'Z00001', density: 'hcart', slot: 71, pool: 'Frost' };
  await world.cli.AddVolume({ volume });
  const request = { mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'unit1', pool: 'Frost' };
  await world.cli.SetVolumeStatus({ mediaId: 'z00001', action: 'freeze' });
  expect((await world.asNbrb.Evaluate({ request })).refusal?.code).toBe(96);
  const suspend = { mediaId: 'Z00001', action: 'suspend' };
  await expect(world.cli.SetVolumeStatus(suspend)).rejects.toThrow(/2014/);
  await world.cli.SetVolumeStatus({ mediaId: 'Z00001', action: 'unfreeze' });
  expect((await world.asNbrb.Evaluate({ request })).choices).toHaveLength(1);

  await world.cli.ChangeSetting({ name: 'media_error_threshold', value: '0' });
  const event = { mediaId: 'Z00001', drive: 'drive0', event: 'MEDIA_EVENT_READ_ERROR' as const };
  await world.asBptm.RecordMediaEvent({ ...event, atMs: 1_000n });
  const [row] = (await world.cli.ListVolumes({ mediaId: 'Z00001' })).volumes;
  expect(row?.statusBits).toBe(1);
  await world.cli.ChangeSetting({ name: 'MEDIA_ERROR_THRESHOLD', value: '2' });
  await expect(world.cli.ChangeSetting({ name: 'SPEED', value: '2' })).rejects.toThrow(/227/);
  await expect(world.cli.ChangeSetting({ name: 'TIME_WINDOW', value: '0' })).rejects.toThrow(/223/);
  const { settings } = await world.cli.ListSettings({ name: 'time_window' });
  expect(settings).toMatchObject([{ name: 'TIME_WINDOW', value: '12' }]);
});

test('pools: one scratch pool, limits, and none goes while it is used', async () => {
  await world.cli.AddPool({ name: 'Named', maxPartiallyFull: 3 });
  await world.cli.AddPool({ name: 'Reserve' });
  const scratch = { scratch: true, set: ['scratch'] };
  await world.cli.UpdatePool({ name: 'Reserve', ...scratch });
  await expect(world.cli.UpdatePool({ name: 'Named', ...scratch })).rejects.toThrow(/224/);
  await expect(world.cli.UpdatePool({ name: 'NetBackup', ...scratch })).rejects.toThrow(/223/);
  await world.cli.UpdatePool({ name: 'Reserve', scratch: false, set: ['scratch'] });
  const [named] = (await world.cli.ListPools({ name: 'Named' })).pools;
  expect(named).toMatchObject({ maxPartiallyFull: 3, scratch: false, volumes: 0 });

  world.bpdbm.answer({ ListPolicies: async () => ({ policies: [policy] }) });
  await expect(world.cli.DeletePool({ name: 'Named' })).rejects.toThrow(/224 .*policy filers/);
  await expect(world.cli.DeletePool({ name: 'NetBackup' })).rejects.toThrow(/224 .*predefined/);
  const volume = { mediaId: 'N00001', density: 'hcart', pool: 'Reserve' };
  await world.cli.AddVolume({ volume });
  await expect(world.cli.DeletePool({ name: 'Reserve' })).rejects.toThrow(/224 .*N00001/);
  await world.cli.DeleteVolume({ name: 'N00001' });
  await world.cli.SetBarcodeRule({ rule: { tag: 'RSV', pool: 'Reserve' } });
  await expect(world.cli.DeletePool({ name: 'Reserve' })).rejects.toThrow(/224 .*RSV/);
  await world.cli.DeleteBarcodeRule({ name: 'RSV' });
  await world.cli.DeletePool({ name: 'Reserve' });
  await expect(world.cli.DeletePool({ name: 'Reserve' })).rejects.toThrow(/167/);
});

test('an inventory sorts new cartridges by barcode rules and names them by media id rules', async () => {
  const elements = ['SCR001L8', 'CLN001L1', 'ODD4711'].map((barcode, i) => ({
    ...{ type: 'slot', number: 61 + i, full: true, barcode },
  }));
  world.ltid.answer({ ReadElements: async () => ({ elements }) });
  await world.cli.AddPool({ name: 'Sorted' });
  const rule = (tag: string, mediaType: string, pool: string, maxMounts: number) =>
    world.cli.SetBarcodeRule({ rule: { tag, mediaType, pool, maxMounts } });
  await rule('SCR', 'HCART', 'Sorted', 200);
  await rule('cln', 'HCART_CLN', 'None', 25);
  await expect(rule('SCR', 'HCART', 'Sorted', 1)).rejects.toThrow(/226/);
  await expect(rule('X', 'HCART', 'nope', 1)).rejects.toThrow(/167/);
  const id = { robotNumber: 0, barcodeLength: 7 };
  await world.cli.SetMediaIdRule({ ...id, rule: '#X:4:5:6:7' });
  const { changes } = await world.cli.InventoryRobot({ robotNumber: 0, useBarcodeRules: true });
  expect(changes.map((each) => each.mediaId)).toEqual(
    expect.arrayContaining(['SCR001', 'CLN001', 'X4711']),
  );
  const rows = (await world.cli.ListVolumes({ robotNumber: 0, inRobot: true })).volumes;
  const of = (mediaId: string) => rows.find((row) => row.volume?.mediaId === mediaId);
  expect(of('SCR001')).toMatchObject({ maxMounts: 200, volume: { pool: 'Sorted' } });
  expect(of('CLN001')).toMatchObject({ mediaType: 'HCART_CLN', cleanings: 25 });
  const request = { mode: 'DRIVE_MODE_WRITE' as const, storageUnit: 'unit1', pool: 'None' };
  expect((await world.asNbrb.Evaluate({ request })).refusal?.code).toBe(96);
  expect(of('X4711')?.volume?.pool).toBe('NetBackup');
  expect((await world.cli.ListBarcodeRules({})).rules.map(({ tag }) => tag)).toEqual([
    ...['SCR', 'CLN'],
  ]);
  await world.cli.DeleteBarcodeRule({ name: 'CLN' });
  await expect(world.cli.DeleteBarcodeRule({ name: 'CLN' })).rejects.toThrow(/227/);
  await world.cli.DeleteMediaIdRule(id);
  expect((await world.cli.ListMediaIdRules({})).rules).toEqual([]);
});

test('what is asked for at once is done one after the other, and nothing twice', async () => {
  const many = Array.from({ length: 8 }, (_each, i) => i);
  await Promise.all(many.map((i) => world.cli.AddPool({ name: `Crowd${i}` })));
  const { pools } = await world.cli.ListPools({});
  expect(new Set(pools.map(({ number }) => number)).size).toBe(pools.length);
  await world.cli.AddRobot({
    robot: { number: 9, type: 'tld', controlHost: 'media1', path: 'vtl:/nine' },
  });
  const add = (i: number) =>
    world.cli.AddDrive({
      drive: {
        ...{ name: `nine${i}`, density: 'hcart', mediaServer: 'media1', path: `vtl:/nine#${i}` },
        ...{ robotNumber: 9, robotDrive: 1 + (i % 4) },
      },
    });
  const outcomes = await Promise.allSettled(many.map(add));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(String(outcome.reason)).toMatch(/226/);
  }
  const { drives } = await world.cli.GetDevices({});
  expect(new Set(drives.map(({ drive }) => drive?.index)).size).toBe(drives.length);
});

test('a cleaning counts one cleaning less, once', async () => {
  const volume = { mediaId: 'CLN777', density: 'hcart' };
  await world.cli.AddVolume({ volume, mediaType: 'HCART_CLN', cleanings: 1 });
  const event = { mediaId: 'CLN777', drive: 'drive0', event: 'MEDIA_EVENT_CLEANED' as const };
  await world.asBptm.RecordMediaEvent({ ...event, atMs: 5_000n });
  await world.asBptm.RecordMediaEvent({ ...event, atMs: 5_000n });
  const row = async () => (await world.cli.ListVolumes({ mediaId: 'CLN777' })).volumes[0];
  expect(await row()).toMatchObject({ cleanings: 0, mounts: 1, lastMountMs: 5_000n });
  await world.asBptm.RecordMediaEvent({ ...event, atMs: 6_000n });
  expect(await row()).toMatchObject({ cleanings: 0, mounts: 2 });
  expect((await driveRow('drive0'))?.lastCleanedMs).toBe(6_000n);
});

test('storage units of three kinds, changed in place, and groups of them', async () => {
  await world.cli.AddNdmpHost({ name: 'filer9', user: 'root', password: 'p' });
  const base = { mediaServer: 'media1', density: 'hcart', robotNumber: 0 };
  await world.cli.AddStorageUnit({ unit: { ...base, label: 'unit9' } });
  await world.cli.AddStorageUnit({ unit: { ...base, label: 'onfiler', ndmpHost: 'filer9' } });
  const disk = { label: 'disk9', mediaServer: 'media1', path: '/srv/disk' };
  await world.cli.AddStorageUnit({ unit: disk });
  const nowhere = { ...base, label: 'x', ndmpHost: 'nofiler' };
  await expect(world.cli.AddStorageUnit({ unit: nowhere })).rejects.toThrow(/2108/);
  const unit = { label: 'disk9', highWaterMark: 90, maxDrives: 4, density: 'hcart' };
  await world.cli.UpdateStorageUnit({ unit, set: ['highWaterMark', 'maxDrives'] });
  const [row] = (await world.cli.ListStorageUnits({ name: 'disk9' })).units;
  expect(row).toMatchObject({ type: 'Disk', highWaterMark: 90, maxDrives: 4, density: '' });
  await expect(world.cli.UpdateStorageUnit({ unit, set: ['density'] })).rejects.toThrow(/223/);

  const group = { name: 'group9', selection: 'failover', units: ['onfiler', 'unit9'] };
  await world.cli.SetStorageUnitGroup({ group });
  const clash = { ...group, name: 'unit9' };
  await expect(world.cli.SetStorageUnitGroup({ group: clash })).rejects.toThrow(/226/);
  const more = { name: 'group9', units: ['disk9'] };
  await world.cli.SetStorageUnitGroup({ group: more, update: true, set: ['addUnits'] });
  expect((await world.cli.ListStorageUnitGroups({})).groups).toEqual([
    { name: 'group9', selection: 'failover', units: ['onfiler', 'unit9', 'disk9'] },
  ]);
  const unknown = { name: 'group9', units: ['nounit'] };
  const addUnknown = { group: unknown, update: true, set: ['addUnits'] };
  await expect(world.cli.SetStorageUnitGroup(addUnknown)).rejects.toThrow(/2104/);
  await expect(world.cli.DeleteStorageUnit({ name: 'disk9' })).rejects.toThrow(/224 .*group9/);
  await expect(world.cli.DeleteNdmpHost({ name: 'filer9' })).rejects.toThrow(/224 .*onfiler/);
  await world.cli.DeleteStorageUnitGroup({ name: 'group9' });
  const pair = {
    ...grantOf('drive0'),
    grant: { storageUnit: 'unit9', more: [{ storageUnit: 'disk9' }] },
  };
  world.nbrb.answer({ Dump: async () => ({ grants: [pair] }) });
  await expect(world.cli.DeleteStorageUnit({ name: 'disk9' })).rejects.toThrow(/224 .*in use/);
  world.nbrb.answer({ Dump: async () => ({}) });
  await world.cli.DeleteStorageUnit({ name: 'disk9' });
  world.bpdbm.answer({ ListPolicies: async () => ({ policies: [policy] }) });
  await expect(world.cli.DeleteStorageUnit({ name: 'unit9' })).rejects.toThrow(/224 .*filers/);
  await world.bpdbm.stop();
  await expect(world.cli.DeleteStorageUnit({ name: 'onfiler' })).rejects.toThrow(/25 /);
});

test('every change has its line, in order, for those who missed the event', async () => {
  await world.cli.AddPool({ name: 'Line1' });
  const { changes } = await world.cli.ListChanges({ limit: 1_000 });
  const sequences = changes.map(({ sequence }) => sequence);
  expect(sequences).toEqual([...sequences].sort((a, b) => Number(a - b)));
  const last = changes.at(-1)!;
  expect(last.what).toBe('pool Line1');
  const heard: unknown[] = [];
  await world.asNbrbBus.hear('ResourcesChanged', (event) => heard.push(event));
  await world.cli.AddPool({ name: 'Line2' });
  await expect(world.cli.AddPool({ name: 'Line2' })).rejects.toThrow(/226/);
  const after = await world.cli.ListChanges({ afterSequence: last.sequence });
  expect(after.changes.map(({ what }) => what)).toEqual(['pool Line2']);
  await expect
    .poll(() => heard)
    .toEqual([{ what: 'pool Line2', sequence: after.changes[0]?.sequence }]);
});

test('what ltid tells: a drive is empty, a volume is gone or condemned, a cleaning was made', async () => {
  await world.cli.AddPool({ name: 'Told' });
  for (const [mediaId, slot] of [
    ['Y00001', 81],
    ['Y00002', 82],
  ] as const) {
    await world.cli.AddVolume({ volume: { mediaId, density: 'hcart', slot, pool: 'Told' } });
  }
  const cleaner = { mediaId: 'CLN081', density: 'hcart', slot: 83 };
  await world.cli.AddVolume({ volume: cleaner, mediaType: 'HCART_CLN', cleanings: 2 });
  let atMs = 1_000n;
  const tell = async (mediaId: string, name: string) => {
    atMs += 1n;
    const event = { mediaId, drive: 'drive0', atMs, event: `MEDIA_EVENT_${name}` as never };
    await world.asBptm.RecordMediaEvent(event);
    const [row] = (await world.cli.ListVolumes({ mediaId })).volumes;
    return row;
  };
  expect(await tell('Y00001', 'MOUNTED')).toMatchObject({ mountedDrive: 'drive0' });
  expect(await tell('Y00001', 'UNMOUNTED')).toMatchObject({ mountedDrive: '', mounts: 1 });
  expect(await tell('Y00001', 'MISPLACED')).toMatchObject({ volume: { slot: 0 } });
  expect(await tell('Y00002', 'CONDEMNED')).toMatchObject({ statusBits: 1 });
  expect(await tell('CLN081', 'CLEANED')).toMatchObject({ cleanings: 1 });
  expect(await tell('CLN081', 'CLEANING_EXPIRED')).toMatchObject({ cleanings: 0 });
});

test('an inventory may empty the import/export slots first, but not when it only tells', async () => {
  const failure = { code: 164, name: 'notMountable', detail: 'no free slot' };
  let imports = 0;
  world.ltid.answer({
    ReadElements: async () => ({
      elements: [{ type: 'slot', number: 91, full: true, barcode: 'X00001' }],
    }),
    ImportVolumes: async () => {
      imports += 1;
      return {
        media: [
          { barcode: 'X00001', to: { type: 'slot', number: 91 } },
          { barcode: 'X00002', failure },
        ],
      };
    },
  });
  const ask = { robotNumber: 0, emptyMap: true };
  const told = await world.cli.InventoryRobot({ ...ask, recommendOnly: true });
  expect(told).toMatchObject({ imported: [], applied: false });
  expect(imports).toBe(0);
  const { imported, changes } = await world.cli.InventoryRobot(ask);
  expect(imported).toMatchObject([{ to: { number: 91 } }, { failure: { code: 164 } }]);
  expect(changes).toContainEqual(expect.objectContaining({ mediaId: 'X00001', change: 'add' }));
});
