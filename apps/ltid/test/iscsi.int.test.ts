// ltid with a robot and drives behind a target that is not ours: tgt.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import type { Grant, GrantRef, Init } from '@tapestry/contracts';
import { type IscsiPlace, iscsiPath, iscsiPlace, openIscsiDrive } from '@tapestry/iscsi';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  startTgt,
  TGT_LUN,
  TGT_TARGET,
  type Tgt,
  type TgtOptions,
  tgtUnavailable,
} from '../../../tools/peers/start-tgt.ts';
import { ltid } from '../src/daemon.ts';

const unavailable = tgtUnavailable();
const CHAP = { user: 'media1', secret: 'twelve-bytes-or-more' };

if (unavailable !== undefined) {
  test('tgt', ({ skip }) => skip(`tgt: ${unavailable}`));
}

describe.runIf(unavailable === undefined)('a library behind tgt', () => {
  let bus: TestBus;
  let bptm: Client<'ltid'>;
  let cli: Client<'ltid'>;
  let nbemm: Awaited<ReturnType<typeof fakeService<'nbemm'>>>;
  let root: string;
  let serialOnRecord = '';
  let tgt: Tgt;
  let daemon: Awaited<ReturnType<typeof startTestDaemon>> | undefined;

  beforeAll(async () => {
    bus = await startTestBus({ hosts: ['media1'] });
    bptm = (await bus.as({ service: 'bptm', host: 'media1' })).client('ltid', 'media1');
    cli = (await bus.as({ service: 'cli' })).client('ltid', 'media1');
    await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
      ReportDrives: async () => ({}),
      RenewGrants: async () => ({ invalid: [] }),
    });
    nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
      RecordMediaEvent: async () => ({}),
      SetDriveState: async () => ({}),
      RecordSerial: async () => ({}),
      GetDevices: async () => ({
        robots: [{ number: 0, type: 'tld', controlHost: 'media1', path: pathOf(TGT_LUN.changer) }],
        drives: [{ drive: drive(0) }, { drive: drive(1) }],
      }),
    });
  });
  afterAll(() => bus.stop());
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ltid-iscsi-'));
    mkdirSync(join(root, 'state'));
  });
  afterEach(async () => {
    serialOnRecord = '';
    await daemon?.stop();
    daemon = undefined;
    await tgt.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const startTarget = async (options: Partial<TgtOptions> = {}): Promise<void> => {
    const barcodes = ['A00001L6', 'A00002L6'];
    tgt = await startTgt({ dir: join(root, 'tgt'), barcodes, ...options });
  };
  const startLtid = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
    daemon = await startTestDaemon(ltid, bus, {
      stateDir: join(root, 'state'),
      env: {
        ...{ LTID_SILENT_MS: '600000', LTID_LOOK_EVERY_MS: '50', LTID_RETRY_PAUSE_MS: '100' },
        ...env,
      },
    });
  };
  const writeSite = (secret: string): void => {
    const chap = { user: CHAP.user, secretFile: 'secret' };
    writeFileSync(join(root, 'state', 'secret'), `${secret}\n`, { mode: 0o600 });
    const site = { targets: { [TGT_TARGET]: { chap } }, discovery: {} };
    writeFileSync(join(root, 'state', 'iscsi.json'), JSON.stringify(site));
  };
  const pathOf = (lun: number): string =>
    iscsiPath({ portal: { host: '127.0.0.1', port: tgt.port }, targetName: TGT_TARGET, lun });
  const drive = (index: number) => ({
    ...{ name: `drive${index}`, index, density: 'hcart', mediaServer: 'media1' },
    ...{ path: pathOf(TGT_LUN.drives[index]!), robotNumber: 0, robotDrive: index + 1 },
    serial: index === 0 ? serialOnRecord : '',
  });
  const ref = (epoch: bigint): Init<GrantRef> => ({
    ...{ attempt: { jobId: epoch, try: 1, step: 0 }, grantId: `g${epoch}`, epoch },
  });
  const grant = (epoch: bigint, mediaId: string, index = 0): Init<Grant> => ({
    ...ref(epoch),
    ...{ mediaServer: 'media1', mode: 'DRIVE_MODE_WRITE', drive: drive(index) },
    volume: { mediaId, barcode: `${mediaId}L6`, robotNumber: 0 },
  });
  const barcodes = async (): Promise<Record<string, string>> => {
    const { elements } = await cli.ReadElements({ robotNumber: 0, asBelieved: true });
    const full = elements.filter(({ barcode }) => barcode !== '');
    return Object.fromEntries(full.map((each) => [`${each.type} ${each.number}`, each.barcode]));
  };
  const open = (epoch: bigint, place: IscsiPlace = iscsiPlace('media1', '', join(root, 'state'))) =>
    openIscsiDrive(drive(0).path, { grantId: `g${epoch}`, epoch }, place);

  test('is read, and a mounted volume is ready; the next one takes its place', async () => {
    await startTarget();
    await startLtid();
    expect(await barcodes()).toEqual({ 'slot 1': 'A00001L6', 'slot 2': 'A00002L6' });
    const { drivePath } = await bptm.Mount({ grant: grant(1n, 'A00001') });
    expect(drivePath).toBe(drive(0).path);
    expect(await barcodes()).toEqual({ 'drive 1': 'A00001L6', 'slot 2': 'A00002L6' });
    const writer = await open(1n);
    expect((await writer.loadState()).loaded).toBe(true);
    await writer.close();
    await bptm.Unmount({ grant: ref(1n) });
    await bptm.Mount({ grant: grant(2n, 'A00002') });
    expect(await barcodes()).toEqual({ 'drive 1': 'A00002L6', 'slot 1': 'A00001L6' });
    const next = await open(2n);
    expect((await next.loadState()).loaded).toBe(true);
    await next.close();
  });

  test('a later grant takes the drive from a writer that holds it; who comes too late gets nothing back', async () => {
    await startTarget();
    await startLtid();
    await bptm.Mount({ grant: grant(1n, 'A00001') });
    const writer = await open(1n);
    const block = { parts: [Buffer.alloc(4096, 7)], crc32: 0 };
    await writer.writeBlocks([block]);
    await bptm.Mount({ grant: grant(2n, 'A00002') });
    expect(await barcodes()).toEqual({ 'drive 1': 'A00002L6', 'slot 1': 'A00001L6' });
    const next = await open(2n);
    await next.writeBlocks([block]);
    await expect(writer.writeBlocks([block])).rejects.toMatchObject({ status: 'mediaWriteError' });
    await writer.close().catch(() => undefined);
    await next.writeBlocks([block]);
    expect(await next.position()).toMatchObject({ block: 2 });
    await next.close();
  });

  test('a holder that is silent keeps its drive for as long as its lease runs', async () => {
    await startTarget();
    await startLtid({ LTID_SILENT_MS: '100', LTID_LEASE_T1_MS: '2000' });
    await bptm.Mount({ grant: grant(1n, 'A00001') });
    const stateOf = async (): Promise<string | undefined> =>
      (await bptm.ListMounts({})).mounts.find((row) => row.drive === 'drive0')?.state;
    await eventually('unknown', async () => (await stateOf()) === 'unknown');
    await eventually('idle', async () => (await stateOf()) === 'idle');
  });

  test('a volume that nobody uses goes home', async () => {
    await startTarget();
    await startLtid({ LTID_UNMOUNT_DELAY_MS: '100' });
    await bptm.Mount({ grant: grant(1n, 'A00001') });
    await bptm.Unmount({ grant: ref(1n) });
    await eventually('at home', async () => (await barcodes())['slot 1'] === 'A00001L6');
  });

  test('a wrong secret is told as such, and no volume or drive is blamed; the right one helps at once', async () => {
    writeSite('not-the-secret-at-all');
    await startTarget({ chap: CHAP });
    await startLtid();
    await expect(bptm.Mount({ grant: grant(1n, 'A00001') })).rejects.toMatchObject({
      status: 'authenticationFailed',
      detail: expect.stringContaining(TGT_TARGET),
    });
    expect(nbemm.requests('RecordMediaEvent')).not.toContainEqual(
      expect.objectContaining({ event: 'MEDIA_EVENT_LOAD_ERROR' }),
    );
    writeSite(CHAP.secret);
    await bptm.Mount({ grant: grant(2n, 'A00001') });
    expect(await barcodes()).toMatchObject({ 'drive 1': 'A00001L6' });
  });

  test('serial numbers go on record; a drive that is another one is down, and takes no volume', async () => {
    serialOnRecord = 'DRV0000009';
    const before = nbemm.requests('RecordSerial').length;
    await startTarget();
    await startLtid();
    const recorded = await eventually('robot and drive on record', () => {
      const requests = nbemm.requests('RecordSerial').slice(before);
      const serials = requests.map(({ serial }) => serial);
      return serials.includes('DRV0000002') && serials;
    });
    expect(recorded).toContain('LIB0000001');
    expect(recorded).not.toContain('DRV0000001');
    const { name, up, reason } = await nbemm.waitFor('SetDriveState');
    expect({ name, up }).toEqual({ name: 'drive0', up: false });
    expect(reason).toMatch(/serial number DRV0000001, on record is DRV0000009/);
    await expect(bptm.Mount({ grant: grant(1n, 'A00001') })).rejects.toMatchObject({
      ...{ status: 'mediaOpenError', detail: expect.stringContaining('DRV0000009') },
    });
    await bptm.Mount({ grant: grant(2n, 'A00002', 1) });
  });

  test('what is behind a portal is told with the paths to it', async () => {
    writeSite(CHAP.secret);
    await startTarget({ chap: CHAP });
    await startLtid();
    const { targets } = await cli.ProbeIscsi({ portal: `127.0.0.1:${tgt.port}` });
    expect(targets.map(({ name }) => name)).toEqual([TGT_TARGET]);
    const units = targets[0]!.units.filter(({ kind }) => kind !== '');
    expect(units.map(({ kind, serial, path }) => [kind, serial, path])).toEqual([
      ['tape', 'DRV0000001', pathOf(1)],
      ['tape', 'DRV0000002', pathOf(2)],
      ['changer', 'LIB0000001', pathOf(3)],
    ]);
    expect(units[2]?.driveSerials[0]).toBe('DRV0000001');
    writeSite('not-the-secret-at-all');
    const refused = await cli.ProbeIscsi({ portal: `127.0.0.1:${tgt.port}` });
    expect(refused.targets[0]?.failure).toMatchObject({ code: 116 });
    await expect(cli.ProbeIscsi({ portal: '127.0.0.1:1' })).rejects.toMatchObject({ code: 25 });
    await expect(cli.ProbeIscsi({ portal: 'a b' })).rejects.toMatchObject({ code: 20 });
  });

  test('a target that dies and comes back is logged in to anew; while it is away the robot is down', async () => {
    await startTarget();
    await startLtid({ LTID_MOVE_TIMEOUT_MS: '20000' });
    await bptm.Mount({ grant: grant(1n, 'A00001') });
    await bptm.Unmount({ grant: ref(1n) });
    await tgt.stop();
    await expect(bptm.Mount({ grant: grant(2n, 'A00002') })).rejects.toMatchObject({
      status: 'robotDown',
      detail: expect.stringContaining('iscsi://'),
    });
    await startTarget({ port: tgt.port });
    await bptm.Mount({ grant: grant(3n, 'A00002') });
    expect(await barcodes()).toEqual({ 'drive 1': 'A00002L6', 'slot 1': 'A00001L6' });
  });
});
