import './utc.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { HOST } from './fixture.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm', 'ltid']);
});
afterAll(() => shell.stop());

const SHARED = {
  drive: {
    ...{ name: 'd1', index: 4, density: 'hcart', robotNumber: 3, robotDrive: 2, ndmpHost: '' },
    ...{ mediaServer: HOST, path: '/dev/nst0' },
  },
  ...{ state: 'UP', reason: '', lastUsedMs: 0n, errors: 0, driveUp: true },
  paths: [
    { mediaServer: HOST, ndmpHost: '', path: '/dev/nst0', up: true, reason: '' },
    { mediaServer: HOST, ndmpHost: 'filer1', path: 'nrst0a', up: false, reason: 'cable' },
  ],
};
const GetDevices = async () => ({ robots: [], drives: [SHARED], mediaServers: [] });

test('tpconfig adds, sets and deletes a path of a drive', async () => {
  const done = async () => ({});
  shell.answer('nbemm', { AddDrivePath: done, SetDrivePathState: done, DeleteDrivePath: done });
  const where = '-drpath -asciiname d1 -path nrst0a -nh filer1';
  const path = { mediaServer: HOST, ndmpHost: 'filer1', path: 'nrst0a' };
  expect((await shell.run(`tpconfig -add ${where}`)).status).toBe(0);
  expect(shell.asked('nbemm', 'AddDrivePath')).toMatchObject({ drive: 'd1', path });
  expect((await shell.run(`tpconfig -update ${where} -drstatus down`)).status).toBe(0);
  expect(shell.asked('nbemm', 'SetDrivePathState')).toMatchObject({
    path: { ...path, up: false, reason: 'set down by operator@desk' },
  });
  expect((await shell.run(`tpconfig -delete ${where} -host media2`)).status).toBe(0);
  expect(shell.asked('nbemm', 'DeleteDrivePath')).toMatchObject({
    path: { mediaServer: 'media2' },
  });
  expect((await shell.run(`tpconfig -update ${where}`)).status).toBe(144);
  expect((await shell.run(`tpconfig -add ${where} -drstatus sideways`)).status).toBe(144);
  expect((await shell.run('tpconfig -add -drpath -asciiname d1')).status).toBe(144);
});

test('tpconfig shows a line for each path', async () => {
  shell.answer('nbemm', { GetDevices });
  expect((await shell.run('tpconfig -d -host media1')).out).toMatchInlineSnapshot(`
    "id  drive  type   robot      media server  state  path
     4  d1     hcart  3 drive 2  media1        UP     /dev/nst0
     4  d1     hcart  3 drive 2  media1        DOWN   nrst0a on filer1

    No robot is configured.
    "
  `);
  expect(shell.asked('nbemm', 'GetDevices')).toEqual({ mediaServer: HOST });
  expect((await shell.run('tpconfig -l')).out).toBe(
    [
      'drive 4 hcart 3 2 UP d1 /dev/nst0 media1 *NULL*',
      'drive 4 hcart 3 2 DOWN d1 nrst0a media1 filer1\n',
    ].join('\n'),
  );
  const { out } = await shell.run('tpconfig -emm_dev_list');
  expect(out).toMatch(/Path: +\/dev\/nst0 from media1: UP\n/);
  expect(out).toMatch(/Path: +nrst0a from media1 on filer1: DOWN \(cable\)/);
});

test('tpconfig changes a drive and a robot, and only what is named', async () => {
  const done = async () => ({});
  shell.answer('nbemm', {
    ...{ GetDevices, UpdateDrive: done, SetDriveState: done, UpdateRobot: done },
  });
  await shell.run('tpconfig -update -drive 4 -asciiname d9 -robdrnum 1 -drstatus UP');
  expect(shell.asked('nbemm', 'UpdateDrive')).toMatchObject({
    ...{ name: 'd1', set: ['name', 'robotDrive'], drive: { name: 'd9', robotDrive: 1 } },
  });
  expect(shell.asked('nbemm', 'SetDriveState')).toMatchObject({ name: 'd9', up: true });
  await shell.run('tpconfig -update -robot 3 -cntlhost media2');
  expect(shell.asked('nbemm', 'UpdateRobot')).toMatchObject({
    ...{ robot: { number: 3, controlHost: 'media2' }, set: ['controlHost'] },
  });
  expect((await shell.run('tpconfig -update -drive 4')).status).toBe(144);
  expect((await shell.run('tpconfig -update -drive 5 -type dlt')).status).toBe(227);
});

test('a robot that another host controls has one record', async () => {
  const robot = { number: 3, type: 'tld', controlHost: 'media2', path: '/dev/sg1' };
  shell.answer('nbemm', { GetDevices: async () => ({ robots: [robot] }) });
  const add = (rest: string) => shell.run(`tpconfig -add -robtype tld -robot ${rest}`);
  expect((await add('3 -cntlhost media2')).status).toBe(0);
  expect((await add('3 -cntlhost media1')).status).toBe(224);
  expect((await add('4 -cntlhost media2')).status).toBe(2059);
  expect((await add('3')).status).toBe(144);
});

test('tpconfig deletes several drives, none when one of them is not known', async () => {
  const deleted: string[] = [];
  const DeleteDrive = async ({ name }: { name: string }) => {
    deleted.push(name);
    return {};
  };
  const other = { ...SHARED, drive: { ...SHARED.drive, name: 'd2', index: 5 } };
  const both = async () => ({ drives: [SHARED, other] });
  shell.answer('nbemm', { GetDevices: both, DeleteDrive });
  expect((await shell.run('tpconfig -multiple_delete -drive 4:6')).status).toBe(227);
  expect(deleted).toEqual([]);
  expect((await shell.run('tpconfig -multiple_delete -drive 4:5')).status).toBe(0);
  expect(deleted).toEqual(['d1', 'd2']);
  expect((await shell.run('tpconfig -delete -drive 4:5')).status).toBe(144);
});

test('tpconfig sets the user for all hosts, and one for a media server', async () => {
  const done = async () => ({});
  shell.answer('nbemm', {
    ...{ SetNdmpCredential: done, DeleteNdmpCredential: done, AddNdmpHost: done },
  });
  await shell.run('tpconfig -add -default_user_id all', { secret: 'x1' });
  expect(shell.asked('nbemm', 'SetNdmpCredential')).toEqual({
    ...{ key: { ndmpHost: '', mediaServer: '' }, user: 'all', password: 'x1' },
  });
  await shell.run('tpconfig -add -nh filer1 -use_default', { secret: 'unasked' });
  expect(shell.asked('nbemm', 'AddNdmpHost')).toMatchObject({
    ...{ name: 'filer1', useGlobal: true, user: '', password: '' },
  });
  await shell.run('tpconfig -update -nh filer1 -host media2 -filer_user_id near', { secret: 'x2' });
  expect(shell.asked('nbemm', 'SetNdmpCredential')).toMatchObject({
    ...{ key: { ndmpHost: 'filer1', mediaServer: 'media2' }, user: 'near', password: 'x2' },
  });
  await shell.run('tpconfig -delete -nh filer1 -host media2');
  expect(shell.asked('nbemm', 'DeleteNdmpCredential')).toEqual({
    ...{ ndmpHost: 'filer1', mediaServer: 'media2' },
  });
  expect((await shell.run('tpconfig -add -nh f')).status).toBe(144);
  expect((await shell.run('tpconfig -add -nh f -use_default -filer_user_id u')).status).toBe(144);
});

test('tpconfig -dnh shows whose credential is used from where', async () => {
  const host = { name: 'filer1', address: '10.0.0.1', port: 10_000, auth: 'md5', user: '' };
  const users = [{ mediaServer: 'media2', user: 'near' }];
  shell.answer('nbemm', {
    ListNdmpHosts: async () => ({
      hosts: [{ ...host, useGlobal: true, users }],
      globalUser: 'all',
    }),
  });
  expect((await shell.run('tpconfig -dnh')).out).toMatchInlineSnapshot(`
    "NDMP host  address   port   user  authentication  from
    filer1     10.0.0.1  10000  all   md5             default
    filer1     10.0.0.1  10000  near  md5             media2
    (default)  -         -      all   -               any
    "
  `);
});

test('vmoprcmd shows of a shared drive what the host that uses it says', async () => {
  const idle = { drive: 'd1', state: 'idle' };
  const holder = { attempt: { jobId: 7n, try: 1, step: 0 } };
  const answers = [
    [idle, { drive: 'd1', mediaId: 'TAP001', state: 'mounted', holder }],
    [{ drive: 'd1', mediaId: 'TAP001', state: 'mounted', holder }, idle],
  ];
  shell.answer('nbemm', { GetDevices });
  for (const mounts of answers) {
    shell.answer('ltid', { ListMounts: async () => ({ mounts }) });
    expect((await shell.run('vmoprcmd -d')).out).toMatch(/d1 +hcart +UP +TAP001 +mounted +7 /);
  }
});

test('vmoprcmd sets the path of one host', async () => {
  shell.answer('nbemm', { GetDevices, SetDrivePathState: async () => ({}) });
  expect((await shell.run('vmoprcmd -upbyname d1 -h media1 -path nrst0a')).status).toBe(0);
  expect(shell.asked('nbemm', 'SetDrivePathState')).toMatchObject({
    ...{ drive: 'd1', path: { path: 'nrst0a', ndmpHost: 'filer1', up: true, reason: '' } },
  });
  expect((await shell.run('vmoprcmd -down 4 -h media2')).status).toBe(227);
  expect((await shell.run('vmoprcmd -down 4 -path nrst0a')).status).toBe(144);
});
