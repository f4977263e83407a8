import './utc.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { HOST } from './fixture.ts';
import { START_S, volumeRow } from './rows.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm']);
});
afterAll(() => shell.stop());

const done = async () => ({});
const TAPE = {
  ...{ label: 'unit1', type: 'Media Manager', mediaServer: HOST, density: 'hcart' },
  ...{ robotNumber: 3, robotType: 'tld', maxDrives: 2, maxFragmentMb: 1024n, maxMpx: 1 },
};
const ON_FILER = { ...TAPE, label: 'filer', type: 'NDMP', ndmpHost: 'filer1' };
const DISK = {
  ...{ label: 'disk1', type: 'Disk', mediaServer: HOST, path: '/srv/disk', diskType: 'BasicDisk' },
  ...{ maxDrives: 4, maxFragmentMb: 524_288n, highWaterMark: 98, lowWaterMark: 80, maxMpx: 1 },
};
const UNITS = [TAPE, ON_FILER, DISK];
const ListStorageUnits = async ({ name }: { name: string }) => ({
  units: UNITS.filter(({ label }) => name === '' || name === label),
});

test('bpstuadd adds units on tape, on a filer and on disk', async () => {
  shell.answer('nbemm', { AddStorageUnit: done });
  const asked = () => shell.asked('nbemm', 'AddStorageUnit');
  await shell.run('bpstuadd -label filer -density hcart -rt TLD -rn 3 -nh filer1 -cj 2 -odo 1');
  expect(asked()).toMatchObject({
    unit: { label: 'filer', ndmpHost: 'filer1', robotNumber: 3, maxDrives: 2, onDemandOnly: true },
  });
  await shell.run('bpstuadd -label disk1 -path /srv/disk -dt 1 -cj 4 -hwm 95 -lwm 70 -host media2');
  expect(asked()).toMatchObject({
    unit: { path: '/srv/disk', mediaServer: 'media2', highWaterMark: 95, lowWaterMark: 70 },
  });
});

test('storage unit groups are made, changed, listed and deleted', async () => {
  const group = { name: 'group1', selection: 'round_robin', units: ['unit1', 'filer'] };
  shell.answer('nbemm', {
    ...{ SetStorageUnitGroup: done, DeleteStorageUnitGroup: done },
    ListStorageUnitGroups: async ({ name }) => ({ groups: name === 'none' ? [] : [group] }),
  });
  const asked = () => shell.asked('nbemm', 'SetStorageUnitGroup');
  await shell.run('bpstuadd -group group1 unit1,filer disk1 -sm 3');
  expect(asked()).toMatchObject({
    group: { name: 'group1', selection: 'round_robin', units: ['unit1', 'filer', 'disk1'] },
  });
  await shell.run('bpsturep -group group1 -addstu unit2 -sm 2');
  expect(asked()).toMatchObject({
    ...{ group: { units: ['unit2'], selection: 'failover' }, update: true },
    set: ['addUnits', 'selection'],
  });
  await shell.run('bpsturep -group group1 -delstu unit2');
  expect(asked()).toMatchObject({ set: ['deleteUnits'] });
  expect((await shell.run('bpstulist -group group1')).out).toBe('group1 3 unit1 filer\n');
  expect((await shell.run('bpstulist -go -U')).out).toMatchInlineSnapshot(`
    "group   selection    storage units
    group1  round_robin  unit1 filer
    "
  `);
  expect((await shell.run('bpstulist -group none')).status).toBe(227);
  await shell.run('bpstudel -group group1');
  expect(shell.asked('nbemm', 'DeleteStorageUnitGroup')).toEqual({ name: 'group1' });
});

test('bpsturep changes only what is named', async () => {
  shell.answer('nbemm', { UpdateStorageUnit: done });
  await shell.run('bpsturep -label unit1 -cj 1 -odo 0 -mfs 2048');
  expect(shell.asked('nbemm', 'UpdateStorageUnit')).toMatchObject({
    ...{ unit: { label: 'unit1', maxDrives: 1, onDemandOnly: false, maxFragmentMb: 2048n } },
    set: ['maxDrives', 'maxFragmentMb', 'onDemandOnly'],
  });
});

test('bpstulist shows units of three kinds', async () => {
  shell.answer('nbemm', { ListStorageUnits });
  expect((await shell.run('bpstulist -U')).out).toMatchInlineSnapshot(`
    "label  type           media server  density  robot   drives  path
    unit1  Media Manager  media1        hcart    TLD(3)       2  -
    filer  NDMP           media1        hcart    TLD(3)       2  on filer1
    disk1  BasicDisk      media1        -        -            4  /srv/disk
    "
  `);
  expect((await shell.run('bpstulist')).out.split('\n').slice(1)).toEqual([
    'filer 3 media1 8 3 6 2 *NULL* 0 1 1024 filer1 0 0',
    'disk1 1 media1 0 -1 -1 4 /srv/disk 0 1 524288 *NULL* 98 80',
    '',
  ]);
  expect((await shell.run('bpstulist -label disk1 -L')).out).toMatch(/High Water Mark: +98 %/);
});

test('nbdevquery shows disk units as pools, volumes and servers', async () => {
  shell.answer('nbemm', { ListStorageUnits });
  expect((await shell.run('nbdevquery -listdp -stype BasicDisk')).out).toBe(
    'V7.5 disk1 1 0.00 0.00 1 98 80 -1 media1\n',
  );
  expect((await shell.run('nbdevquery -listdp -U')).out).toMatch(/Disk Pool Name: +disk1\n/);
  expect((await shell.run('nbdevquery -listdv -dp disk1')).out).toMatch(/^V7.5 disk1 BasicDisk/);
  expect((await shell.run('nbdevquery -listdv -U')).out).toMatch(/Disk Volume Name: +\/srv\/disk/);
  expect((await shell.run('nbdevquery -liststs')).out).toBe('V7.5 media1 BasicDisk 5\n');
  expect((await shell.run('nbdevquery -liststs -U')).out).toMatch(/Storage Server: +media1/);
  expect((await shell.run('nbdevquery -listdp -stype PureDisk')).status).toBe(227);
});

const MACHINES = [
  { name: 'primary', type: 'primary', state: 'active' },
  { name: HOST, type: 'media', state: 'paused', version: '1', registeredMs: START_S * 1000n },
  { name: 'filer1', type: 'ndmp', state: 'active' },
];

test('nbemmcmd lists machines', async () => {
  shell.answer('nbemm', {
    ListMachines: async ({ name }) => ({
      machines: MACHINES.filter((each) => name === '' || each.name === name),
    }),
  });
  expect((await shell.run('nbemmcmd -listhosts')).out).toMatchInlineSnapshot(`
    "type    machine  state
    master  primary  active
    media   media1   paused
    ndmp    filer1   active
    "
  `);
  const verbose = await shell.run('nbemmcmd -listhosts -verbose -machinetype media');
  expect(verbose.out).toMatch(/MachineName: +media1\n[\s\S]*Registered: +11\/22\/2025/);
  expect((await shell.run('nbemmcmd -getemmserver')).out).toBe('primary\n');
  expect((await shell.run('nbemmcmd -listhosts -machinename nobody')).status).toBe(227);
});

test('nbemmcmd adds, pauses and deletes machines and their devices', async () => {
  shell.answer('nbemm', {
    ...{ AddMachine: done, SetMachineState: done, DeleteMachine: done },
    ...{ DeleteMachineDevices: done, DeleteNdmpHost: done },
  });
  await shell.run('nbemmcmd -addhost -machinename media9 -machinetype media');
  expect(shell.asked('nbemm', 'AddMachine')).toMatchObject({ name: 'media9', type: 'media' });
  await shell.run('nbemmcmd -updatehost -machinename media9 -machinestateop set_admin_pause');
  expect(shell.asked('nbemm', 'SetMachineState')).toEqual({ name: 'media9', paused: true });
  await shell.run('nbemmcmd -updatehost -machinename media9 -machinestateop clr_admin_pause');
  expect(shell.asked('nbemm', 'SetMachineState')).toEqual({ name: 'media9', paused: false });
  await shell.run('nbemmcmd -deletealldevices -machinename media9 -machinetype media');
  expect(shell.asked('nbemm', 'DeleteMachineDevices')).toEqual({ name: 'media9' });
  await shell.run('nbemmcmd -deletehost -machinename media9 -machinetype media');
  expect(shell.asked('nbemm', 'DeleteMachine')).toEqual({ name: 'media9' });
  await shell.run('nbemmcmd -deletehost -machinename filer1 -machinetype ndmp');
  expect(shell.asked('nbemm', 'DeleteNdmpHost')).toEqual({ name: 'filer1' });
});

test('nbemmcmd shows and sets media, settings and changes', async () => {
  const setting = { name: 'TIME_WINDOW', value: '12', description: 'hours' };
  const change = { sequence: 7n, atMs: START_S * 1000n, what: 'pool offsite' };
  shell.answer('nbemm', {
    ...{ SetVolumeStatus: done, ChangeSetting: done, ListPools: async () => ({ pools: [] }) },
    ListVolumes: async ({ mediaId }) => ({ volumes: mediaId === 'X' ? [] : [volumeRow()] }),
    ListSettings: async () => ({ settings: [setting] }),
    ListChanges: async ({ afterSequence }) => ({ changes: afterSequence === 0n ? [change] : [] }),
  });
  expect((await shell.run('nbemmcmd -listmedia -mediaid TAP001')).out).toMatch(/media ID: +TAP001/);
  expect((await shell.run('nbemmcmd -listmedia -mediaid X')).status).toBe(227);
  await shell.run('nbemmcmd -updatemedia -mediaid TAP001 -full 0');
  expect(shell.asked('nbemm', 'SetVolumeStatus')).toMatchObject({ action: 'unfull' });
  await shell.run('nbemmcmd -updatemedia -mediaid TAP001 -frozen 1');
  expect(shell.asked('nbemm', 'SetVolumeStatus')).toMatchObject({ action: 'freeze' });
  expect((await shell.run('nbemmcmd -listsettings')).out).toBe('TIME_WINDOW="12"  hours\n');
  await shell.run('nbemmcmd -changesetting -time_window 24');
  expect(shell.asked('nbemm', 'ChangeSetting')).toMatchObject({ name: 'TIME_WINDOW', value: '24' });
  expect((await shell.run('nbemmcmd -listchanges')).out).toBe(
    '7  11/22/2025 07:00:00  pool offsite\n',
  );
});

test.each([
  ...['bpstuadd -label x -density hcart', 'bpstuadd -group g', 'bpstuadd -group g u -sm 5'],
  ...[
    'bpsturep -label u',
    'bpsturep -cj 1',
    'bpsturep -group g',
    'bpstudel',
    'bpsturep -group g -sm 0',
  ],
  ...['bpsturep -group g -addstu a -delstu b', 'bpstulist -label a -go', 'nbdevquery'],
  ...['bpstuadd -label d -path /d -dt 6', 'nbdevquery -listdp -listdv', 'nbemmcmd'],
  ...['nbemmcmd -listhosts -listmedia', 'nbemmcmd -listhosts -machinetype toaster'],
  ...['nbemmcmd -addhost -machinename a', 'nbemmcmd -updatehost -machinename a'],
  ...['nbemmcmd -deletehost -machinename a', 'nbemmcmd -updatemedia -mediaid A -full 2'],
  ...['nbemmcmd -updatemedia -frozen 1', 'nbemmcmd -changesetting', 'nbemmcmd -deletealldevices'],
])('%s is refused with 144 and the usage', async (line) => {
  const { status, out, error } = await shell.run(line);
  expect({ status, out }).toEqual({ status: 144, out: '' });
  expect(error).toMatch(/^\w+: .+\nusage: /);
});
