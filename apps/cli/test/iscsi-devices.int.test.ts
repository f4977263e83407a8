import './utc.ts';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { HOST } from './fixture.ts';

const TARGET = 'iqn.2026-01.org.example:library';
const PORTAL = 'iscsi://10.0.0.9:3260';
const pathOf = (lun: number, target = TARGET): string => `${PORTAL}/${target}/${lun}`;

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm', 'ltid']);
});
afterAll(() => shell.stop());

const unit = (lun: number, kind: string, serial: string, driveSerials: string[] = []) => ({
  ...{ lun, kind, vendor: 'IBM', product: 'ULT3580', revision: '1', serial, driveSerials },
  path: pathOf(lun),
});
const DRIVE = {
  drive: { name: 'd1', index: 0, serial: 'D1' },
  ...{ state: 'DOWN', reason: 'another drive is there', driveUp: false },
  paths: [{ mediaServer: HOST, path: pathOf(1) }],
};

test('tpautoconf shows what is behind a portal: paths, places by serial number, what is configured', async () => {
  const units = [
    unit(1, 'tape', 'D1'),
    unit(2, 'tape', 'D2'),
    unit(3, 'changer', 'L1', ['D1', '']),
    unit(9, '', ''),
  ];
  const failure = { code: 116, name: 'authenticationFailed', detail: 'CHAP' };
  const targets = [
    { name: TARGET, units },
    { name: 'iqn.2026-01.org.example:other', units: [], failure },
  ];
  shell.answer('ltid', { ProbeIscsi: async () => ({ targets }) });
  const robots = [{ number: 4, path: pathOf(3), controlHost: HOST }];
  shell.answer('nbemm', { GetDevices: async () => ({ robots, drives: [DRIVE] }) });
  const { status, out } = await shell.run('tpautoconf -probe_iscsi 10.0.0.9');
  expect(status).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "iqn.2026-01.org.example:library
    lun  device  product      serial  place          configured as  path
    1    drive   IBM ULT3580  D1      drive 1 in L1  d1             iscsi://10.0.0.9:3260/iqn.2026-01.org.example:library/1
    2    drive   IBM ULT3580  D2      ?              -              iscsi://10.0.0.9:3260/iqn.2026-01.org.example:library/2
    3    robot   IBM ULT3580  L1      -              robot 4        iscsi://10.0.0.9:3260/iqn.2026-01.org.example:library/3

    iqn.2026-01.org.example:other
      116 authenticationFailed: CHAP

    No robot here tells by serial number where D2 stands: move a cartridge into a drive (robtest) and see which one gets ready.
    "
  `);
  expect(shell.asked('ltid', 'ProbeIscsi')).toEqual({ portal: '10.0.0.9' });
});

test('a portal without targets, and one that cannot be reached, are told apart', async () => {
  shell.answer('nbemm', { GetDevices: async () => ({ robots: [], drives: [] }) });
  shell.answer('ltid', { ProbeIscsi: async () => ({ targets: [] }) });
  const none = await shell.run('tpautoconf -probe_iscsi 10.0.0.9');
  expect(none).toMatchObject({ status: 0, out: 'No target is offered to this host.\n' });
  shell.answer('ltid', {
    ProbeIscsi: async () => {
      throw new StatusError('cannotConnect', '10.0.0.9:3260: refused');
    },
  });
  expect((await shell.run('tpautoconf -probe_iscsi 10.0.0.9')).status).toBe(25);
});

test('a drive that was replaced is learnt anew, at its path or at another', async () => {
  const done = async () => ({});
  shell.answer('nbemm', {
    ...{ RecordSerial: done, UpdateDrive: done, UpdateRobot: done },
    GetDevices: async () => ({ robots: [], drives: [DRIVE] }),
  });
  const same = await shell.run(`tpautoconf -replace_drive d1 -path ${pathOf(1)}`);
  expect(same.out).toContain('vmoprcmd -upbyname d1');
  expect(shell.asked('nbemm', 'RecordSerial')).toMatchObject({
    ...{ drive: 'd1', serial: '', replace: true },
  });
  expect(shell.asked('nbemm', 'UpdateDrive')).toBeUndefined();
  const moved = `iscsi://10.0.0.9/${TARGET.toUpperCase().replace('IQN', 'iqn')}/7`;
  expect((await shell.run(`tpautoconf -replace_drive d1 -path ${moved}`)).status).toBe(0);
  expect(shell.asked('nbemm', 'UpdateDrive')).toMatchObject({
    ...{ name: 'd1', drive: { path: pathOf(7) }, set: ['path'] },
  });
  expect((await shell.run(`tpautoconf -replace_robot 4 -path ${pathOf(3)}`)).status).toBe(0);
  expect(shell.asked('nbemm', 'UpdateRobot')).toMatchObject({
    ...{ robot: { number: 4, path: pathOf(3) }, set: ['path'] },
  });
  expect((await shell.run('tpautoconf -replace_drive d1')).status).toBe(144);
  expect((await shell.run(`tpautoconf -replace_drive d9 -path ${pathOf(1)}`)).status).toBe(227);
  expect((await shell.run('tpautoconf -replace_robot 4 -path iscsi://10.0.0.9/x')).status).toBe(20);
});

test('tpconfig keeps an iSCSI path with its port, and refuses one that is none', async () => {
  shell.answer('nbemm', { AddRobot: async () => ({}) });
  const line = 'tpconfig -add -robot 4 -robtype tld -robpath';
  expect((await shell.run(`${line} iscsi://10.0.0.9/${TARGET}/3`)).status).toBe(0);
  expect(shell.asked('nbemm', 'AddRobot')).toMatchObject({ robot: { path: pathOf(3) } });
  expect((await shell.run(`${line} iscsi://10.0.0.9/${TARGET}`)).status).toBe(20);
});
