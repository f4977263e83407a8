import './utc.ts';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { HOST } from './fixture.ts';
import { START_S, volumeRow } from './rows.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm', 'ndmpagent', 'ltid']);
});
afterAll(() => shell.stop());

test('tpconfig stores an NDMP host with a password that never was on its line', async () => {
  shell.answer('nbemm', { AddNdmpHost: async () => ({}) });
  const line =
    'tpconfig -add -nh filer1 -filer_user_id backup -filer_addr 10.0.0.1 -filer_port 10001';
  expect((await shell.run(line, { secret: 's3cret' })).status).toBe(0);
  expect(shell.asked('nbemm', 'AddNdmpHost')).toMatchObject({
    ...{ name: 'filer1', user: 'backup', password: 's3cret', address: '10.0.0.1', port: 10_001 },
    update: false,
  });
  const refused = await shell.run('tpconfig -add -nh f -filer_user_id u -filer_password s3cret');
  expect(refused.status).toBe(144);
  expect(refused.error).toMatch(/seen by others/);
  expect(refused.error).not.toContain('s3cret');
});

test('an update that moves a port asks for no password', async () => {
  shell.answer('nbemm', { AddNdmpHost: async () => ({}) });
  await shell.run('tpconfig -update -nh filer1 -filer_port 10002', { secret: 'unasked' });
  expect(shell.asked('nbemm', 'AddNdmpHost')).toMatchObject({
    password: '',
    port: 10_002,
    update: true,
  });
});

test('tpconfig adds robots and drives of this machine, with whole paths', async () => {
  shell.answer('nbemm', { AddRobot: async () => ({}), AddDrive: async () => ({}) });
  await shell.run('tpconfig -add -robot 3 -robtype TLD -robpath vtl:lib', { cwd: '/srv' });
  expect(shell.asked('nbemm', 'AddRobot')).toMatchObject({
    robot: { number: 3, type: 'tld', path: 'vtl:/srv/lib', controlHost: HOST, ndmpHost: '' },
  });
  const line =
    'tpconfig -add -drive -type hcart -path vtl:/srv/lib#1 -asciiname d1 -robot 3 -robtype tld -robdrnum 2';
  expect((await shell.run(line)).status).toBe(0);
  expect(shell.asked('nbemm', 'AddDrive')).toMatchObject({
    drive: {
      ...{ name: 'd1', density: 'hcart', path: 'vtl:/srv/lib#1', robotNumber: 3, robotDrive: 2 },
      mediaServer: HOST,
    },
  });
  expect((await shell.run('tpconfig -add -drive -asciiname d1')).status).toBe(144);
  expect((await shell.run('tpconfig')).status).toBe(144);
});

const DEVICES = {
  robots: [{ number: 3, type: 'tld', controlHost: HOST, path: 'vtl:/srv/lib', ndmpHost: '' }],
  drives: [
    {
      drive: {
        ...{ name: 'd1', index: 4, density: 'hcart', mediaServer: HOST, path: 'vtl:/srv/lib#1' },
        ...{ robotNumber: 3, robotDrive: 2, ndmpHost: '' },
      },
      ...{ state: 'UP', reason: '', lastUsedMs: 0n, errors: 0, driveUp: true },
      paths: [{ mediaServer: HOST, ndmpHost: '', path: 'vtl:/srv/lib#1', up: true, reason: '' }],
    },
  ],
  mediaServers: [{ name: HOST, active: true, registeredMs: START_S * 1000n }],
};

test('tpconfig lists devices and deletes drives by index', async () => {
  shell.answer('nbemm', {
    GetDevices: async () => DEVICES,
    DeleteDrive: async () => ({}),
    DeleteRobot: async () => ({}),
  });
  expect((await shell.run('tpconfig -d')).out).toMatchInlineSnapshot(`
    "id  drive  type   robot      media server  state  path
     4  d1     hcart  3 drive 2  media1        UP     vtl:/srv/lib#1

    robot  type  control host  path
    3      TLD   media1        vtl:/srv/lib
    "
  `);
  expect((await shell.run('tpconfig -l')).out).toMatchInlineSnapshot(`
    "robot 3 - TLD - - vtl:/srv/lib media1 *NULL*
    drive 4 hcart 3 2 UP d1 vtl:/srv/lib#1 media1 *NULL*
    "
  `);
  expect((await shell.run('tpconfig -dl')).out).toMatch(/Path: +vtl:\/srv\/lib#1 from media1: UP/);
  expect((await shell.run('tpconfig -delete -drive 4')).status).toBe(0);
  expect(shell.asked('nbemm', 'DeleteDrive')).toMatchObject({ name: 'd1' });
  expect((await shell.run('tpconfig -delete -drive 5')).status).toBe(227);
  expect((await shell.run('tpconfig -delete -robot 3')).status).toBe(0);
  expect(shell.asked('nbemm', 'DeleteRobot')).toMatchObject({ number: 3 });
});

const FILER = { name: 'filer1', address: '10.0.0.1', port: 10_001, user: 'backup', auth: 'md5' };

test('tpconfig -dnh lists NDMP hosts', async () => {
  shell.answer('nbemm', {
    ListNdmpHosts: async ({ name }) => ({ hosts: name === 'nosuch' ? [] : [FILER] }),
  });
  expect((await shell.run('tpconfig -dnh')).out).toContain('filer1');
  expect((await shell.run('tpconfig -dnh nosuch')).status).toBe(227);
});

test('tpautoconf logs in with what tpconfig stored', async () => {
  const ListNdmpHosts = async () => ({ hosts: [FILER] });
  const facts = [
    { group: 'server', name: 'product', value: 'Filer OS' },
    { group: 'tape', name: 'nrst0a', value: 'IBM ULTRIUM' },
  ];
  shell.answer('nbemm', { ListNdmpHosts, ProbeNdmpHost: async () => ({ facts }) });
  shell.answer('ndmpagent', { Probe: async () => ({ facts }) });
  expect((await shell.run('tpautoconf -probe filer1')).out).toContain('IBM ULTRIUM');
  expect(shell.asked('nbemm', 'ProbeNdmpHost')).toEqual({ name: 'filer1', mediaServer: HOST });
  expect(shell.asked('ndmpagent', 'Probe')).toBeUndefined();
  const verify = await shell.run('tpautoconf -verify filer1 -filer_user_id backup', {
    secret: 'pw',
  });
  expect(verify).toMatchObject({ status: 0 });
  expect(verify.out).toContain('Filer OS');
  expect(verify.out).not.toContain('ULTRIUM');
  expect(shell.asked('ndmpagent', 'Probe')).toMatchObject({
    ...{ address: '10.0.0.1', port: 10_001, user: 'backup', password: 'pw' },
  });
});

test('a refused login has the status of the daemon', async () => {
  shell.answer('ndmpagent', {
    Probe: async () => {
      throw new StatusError('authenticationFailed', 'filer1 refused the login');
    },
  });
  expect(await shell.run('tpautoconf -verify filer1 -filer_user_id u')).toMatchObject({
    ...{ status: 116, out: '' },
    error: 'EXIT STATUS 116: authentication failed\n  filer1 refused the login\n',
  });
});

test('volumes are added, listed, and follow the robot', async () => {
  const pools = [{ number: 4, name: 'offsite', description: '', scratch: false }];
  shell.answer('nbemm', {
    AddVolume: async () => ({}),
    ListPools: async () => ({ pools }),
    ListVolumes: async ({ mediaId }) => ({ volumes: mediaId === 'NONE01' ? [] : [volumeRow()] }),
    InventoryRobot: async ({ recommendOnly }) => ({
      changes: [{ mediaId: 'TAP002', barcode: 'TAP002', change: 'add', slot: 2, oldSlot: 0 }],
      applied: !recommendOnly,
    }),
  });
  await shell.run('vmadd -m TAP009 -mt HCART2 -rt TLD -rn 3 -rc1 7 -p 4');
  expect(shell.asked('nbemm', 'AddVolume')).toMatchObject({
    volume: { mediaId: 'TAP009', density: 'hcart2', robotNumber: 3, slot: 7, pool: 'offsite' },
    mediaType: 'HCART2',
  });
  expect((await shell.run('vmadd -m TAP009')).status).toBe(144);
  expect((await shell.run('vmadd -m TAP009 -mt HCART -p 77')).status).toBe(167);
  expect((await shell.run('vmquery -a -b')).out).toContain('TAP001');
  expect((await shell.run('vmquery -m NONE01')).status).toBe(227);
  expect((await shell.run('vmquery -a -mt DLT')).status).toBe(227);
  expect((await shell.run('vmquery -rn 3')).status).toBe(0);
  expect(shell.asked('nbemm', 'ListVolumes')).toMatchObject({ robotNumber: 3, inRobot: true });
  expect((await shell.run('vmupdate -rt TLD -rn 3 -p offsite')).out).toBe(
    'Changed:\n  TAP002 (TAP002) added in slot 2\n',
  );
  expect((await shell.run('vmupdate -rt TLD -rn 3 -recommend')).out).toMatch(/^Would change/);
});

test('vmpool makes and lists pools', async () => {
  shell.answer('nbemm', {
    AddPool: async () => ({}),
    ListPools: async () => ({
      pools: [{ number: 5, name: 'spare', description: 'for all', scratch: true }],
    }),
  });
  await shell.run(['vmpool', '-create', '-pn', 'spare', '-description', 'for all', '-scratch']);
  expect(shell.asked('nbemm', 'AddPool')).toMatchObject({ name: 'spare', scratch: true });
  expect((await shell.run('vmpool -list_all -bx')).out).toMatch(/5 +spare +scratch .*for all/);
});

test('storage units are added on this machine and listed', async () => {
  shell.answer('nbemm', {
    AddStorageUnit: async () => ({}),
    ListStorageUnits: async ({ name }) => ({
      units:
        name === 'nosuch'
          ? []
          : [
              {
                ...{ label: 'unit1', type: 'Media Manager', mediaServer: HOST, density: 'hcart' },
                ...{ robotNumber: 3, robotType: 'tld', maxDrives: 2, maxFragmentMb: 1024n },
                ...{ onDemandOnly: true, ndmpHost: '', maxMpx: 1 },
              },
            ],
    }),
  });
  await shell.run('bpstuadd -label unit1 -density hcart -rt TLD -rn 3 -cj 2 -odo 1 -mfs 1024');
  expect(shell.asked('nbemm', 'AddStorageUnit')).toMatchObject({
    unit: {
      ...{ label: 'unit1', mediaServer: HOST, robotNumber: 3, maxDrives: 2, onDemandOnly: true },
      maxFragmentMb: 1024n,
    },
  });
  expect((await shell.run('bpstulist -l')).out).toBe(
    'unit1 2 media1 8 3 6 2 *NULL* 1 1 1024 *NULL* 0 0\n',
  );
  expect((await shell.run('bpstulist -label nosuch')).status).toBe(227);
});

test('drives are shown with what is in them, and set up and down', async () => {
  const holder = { attempt: { jobId: 7n, try: 1, step: 0 }, grantId: 'g1', epoch: 5n };
  shell.answer('nbemm', { GetDevices: async () => DEVICES, SetDriveState: async () => ({}) });
  shell.answer('ltid', {
    ListMounts: async () => ({
      mounts: [{ drive: 'd1', mediaId: 'TAP001', holder, state: 'mounted' }],
    }),
  });
  expect((await shell.run('vmoprcmd')).out).toMatch(/4 +d1 +hcart +UP +TAP001 +mounted +7 +media1/);
  expect((await shell.run('vmoprcmd -down 4')).status).toBe(0);
  expect(shell.asked('nbemm', 'SetDriveState')).toEqual({
    ...{ name: 'd1', up: false, reason: 'set down by operator@desk' },
  });
  await shell.run('vmoprcmd -upbyname d1');
  expect(shell.asked('nbemm', 'SetDriveState')).toMatchObject({ name: 'd1', up: true, reason: '' });
  expect((await shell.run('vmoprcmd -up 9')).status).toBe(227);
  shell.answer('ltid', {
    ListMounts: async () => {
      throw new StatusError('systemError', 'no table');
    },
  });
  expect(await shell.run('vmoprcmd')).toMatchObject({
    status: 0,
    error: expect.stringMatching(/no table/),
  });
});

test('volumes and storage units are deleted', async () => {
  shell.answer('nbemm', {
    DeleteStorageUnit: async () => ({}),
    DeleteVolume: async () => {
      throw new StatusError('conflict', 'volume TAP001 is assigned');
    },
  });
  expect((await shell.run('bpstudel -label unit1')).status).toBe(0);
  expect((await shell.run('vmdelete -m TAP001')).status).toBe(224);
});
