import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import type { Grant, GrantRef, Init } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  createVirtualLibrary,
  openVirtualDrive,
  openVirtualLibrary,
  virtualDrivePath,
} from '@tapestry/storage';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { ltid } from '../src/daemon.ts';

let bus: TestBus;
let bptm: Client<'ltid'>;
let asNbemm: Client<'ltid'>;
let nbrb: Awaited<ReturnType<typeof fakeService<'nbrb'>>>;
let nbemm: Awaited<ReturnType<typeof fakeService<'nbemm'>>>;
let root: string;
let dir: string;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;

beforeAll(async () => {
  bus = await startTestBus({ hosts: ['media1'] });
  bptm = (await bus.as({ service: 'bptm', host: 'media1' })).client('ltid', 'media1');
  const nbemmBus = await bus.as({ service: 'nbemm' });
  asNbemm = nbemmBus.client('ltid', 'media1');
  nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb');
  nbemm = await fakeService(nbemmBus, 'nbemm', {
    RecordMediaEvent: async () => ({}),
    GetDevices: async () => ({
      robots: [{ number: 0, type: 'TLD', controlHost: 'media1', path: `vtl:${dir}` }],
      drives: [{ drive: drive(0) }, { drive: drive(1) }],
    }),
  });
});
afterAll(() => bus.stop());

beforeEach(async () => {
  nbrb.answer({
    ReportDrives: async () => ({}),
    RenewGrants: async () => ({ invalid: [] }),
  });
  root = mkdtempSync(join(tmpdir(), 'ltid-'));
  dir = join(root, 'library');
  const cartridges = ['A00001L8', 'A00002L8'].map((barcode) => ({
    barcode,
    capacityBytes: 10_000_000,
  }));
  await createVirtualLibrary({ dir, drives: 2, slots: 3, cartridges });
  daemon = await start();
});
afterEach(async () => {
  await daemon.stop();
  rmSync(root, { recursive: true, force: true });
});

/** No writer of a test counts as silent, however slow the machine is, unless the test says after what time. */
const start = (silentMs = 600_000) =>
  startTestDaemon(ltid, bus, {
    stateDir: root,
    env: {
      LTID_SILENT_MS: String(silentMs),
      ...{ LTID_LOOK_EVERY_MS: '50', LTID_RENEW_AFTER_MS: '1' },
    },
  });

const drive = (index: number) => ({
  ...{ name: `drive${index}`, index, density: 'hcart', mediaServer: 'media1' },
  ...{ path: virtualDrivePath(dir, index), robotNumber: 0, robotDrive: index + 1 },
});

const ref = (epoch: bigint): Init<GrantRef> => ({
  ...{ attempt: { jobId: epoch, try: 1, step: 0 }, grantId: `g${epoch}`, epoch },
});

const grant = (epoch: bigint, mediaId: string, index = 0): Init<Grant> => ({
  ...ref(epoch),
  ...{ mediaServer: 'media1', mode: 'DRIVE_MODE_WRITE', drive: drive(index) },
  volume: { mediaId, barcode: `${mediaId}L8`, robotNumber: 0 },
});

async function barcodes(): Promise<Record<string, string | null>> {
  const library = await openVirtualLibrary(dir);
  const elements = await library.inventory();
  await library.close();
  return Object.fromEntries(
    elements.map(({ type, index, barcode }) => [`${type}${index}`, barcode]),
  );
}

const mountOf = async (name: string) =>
  (await bptm.ListMounts({})).mounts.find((row) => row.drive === name);

test('a volume is mounted, stays when given back, and makes room for the next', async () => {
  const { drivePath } = await bptm.Mount({ grant: grant(1n, 'A00001') });
  expect(drivePath).toBe(virtualDrivePath(dir, 0));
  expect(await barcodes()).toMatchObject({ drive0: 'A00001L8', slot0: null });
  expect(await mountOf('drive0')).toMatchObject({ state: 'mounted', holder: ref(1n) });
  await bptm.Unmount({ grant: ref(1n) });
  expect(await mountOf('drive0')).toMatchObject({ state: 'idle', mediaId: 'A00001' });
  await bptm.Mount({ grant: grant(2n, 'A00002') });
  expect(await barcodes()).toMatchObject({ drive0: 'A00002L8', slot0: 'A00001L8' });
  const reported = await eventually('the last report', () => {
    const drives = nbrb.requests('ReportDrives').at(-1)?.drives;
    return drives?.some((each) => each.drive === 'drive0' && each.holder?.grantId === 'g2')
      ? drives
      : undefined;
  });
  expect(reported.length).toBe(2);
  await nbemm.waitFor('RecordMediaEvent');
});

test('the same grant gets the same mount; an older grant is refused; an idle volume changes drives', async () => {
  await Promise.all([
    bptm.Mount({ grant: grant(5n, 'A00001') }),
    bptm.Mount({ grant: grant(5n, 'A00001') }),
  ]);
  const older = bptm.Mount({ grant: grant(4n, 'A00002') });
  await expect(older).rejects.toMatchObject({ status: 'staleGrant' });
  const held = bptm.Mount({ grant: grant(6n, 'A00001', 1) });
  await expect(held).rejects.toMatchObject({ status: 'mediaInUse' });
  await bptm.Unmount({ grant: ref(5n) });
  await bptm.Mount({ grant: grant(7n, 'A00001', 1) });
  expect(await barcodes()).toMatchObject({ drive0: null, drive1: 'A00001L8' });
});

test('a volume that is nowhere is misplaced, and the drive is idle again', async () => {
  const missing = bptm.Mount({ grant: grant(1n, 'A00009') });
  await expect(missing).rejects.toMatchObject({ status: 'mediaMisplaced' });
  expect(await mountOf('drive0')).toMatchObject({ state: 'idle', holder: null });
});

test('a lease is good while nbrb says so, for a while without it, and not when nbrb says no', async () => {
  await bptm.Mount({ grant: grant(1n, 'A00001') });
  const good = await bptm.RenewMount({ grant: ref(1n), writerPid: 42 });
  expect(good.valid).toBe(true);
  expect(Number(good.validForMs)).toBeGreaterThan(200_000);
  nbrb.answer({
    RenewGrants: async () => {
      throw new StatusError('databaseError', 'away');
    },
  });
  expect((await bptm.RenewMount({ grant: ref(1n), writerPid: 42 })).valid).toBe(true);
  nbrb.answer({ RenewGrants: async ({ grants }) => ({ invalid: grants }) });
  expect((await bptm.RenewMount({ grant: ref(1n), writerPid: 42 })).valid).toBe(false);
  expect((await bptm.RenewMount({ grant: ref(9n), writerPid: 1 })).valid).toBe(false);
  expect(await mountOf('drive0')).toMatchObject({ writerPid: 42 });
});

test('after a restart a held drive is unknown; the writer’s word makes it held again', async () => {
  await bptm.Mount({ grant: grant(1n, 'A00001') });
  await daemon.stop();
  daemon = await start();
  expect(await mountOf('drive0')).toMatchObject({ state: 'unknown', holder: ref(1n) });
  await bptm.RenewMount({ grant: ref(1n), writerPid: 42 });
  expect((await mountOf('drive0'))?.state).toBe('mounted');
});

test('a silent writer keeps a drive that it has open, and loses it when it is gone', async () => {
  await daemon.stop();
  daemon = await start(400);
  await bptm.Mount({ grant: grant(1n, 'A00001') });
  const owner = { grantId: 'g1', epoch: 1n };
  const open = await openVirtualDrive({ libraryDir: dir, driveIndex: 0, owner });
  await eventually('doubt', async () => (await mountOf('drive0'))?.state === 'unknown');
  await bptm.Unmount({ grant: ref(1n) });
  expect(await mountOf('drive0')).toMatchObject({ state: 'unknown', holder: ref(1n) });
  await open.close();
  await eventually('idle', async () => (await mountOf('drive0'))?.state === 'idle');
});

test('elements come as the robot has them, numbered from 1', async () => {
  const { elements } = await asNbemm.ReadElements({ robotNumber: 0 });
  expect(elements).toContainEqual(
    expect.objectContaining({ type: 'slot', number: 1, full: true, barcode: 'A00001L8' }),
  );
  expect(elements).toContainEqual(
    expect.objectContaining({ type: 'drive', number: 2, full: false, barcode: '' }),
  );
  const none = asNbemm.ReadElements({ robotNumber: 7 });
  await expect(none).rejects.toMatchObject({ status: 'robotMissing' });
});

test('under one grant volumes follow each other in the drive; a late word for the first changes nothing', async () => {
  await bptm.Mount({ grant: grant(1n, 'A00001') });
  const next = { ...grant(1n, 'A00002'), volumeNumber: 1 };
  await Promise.all([bptm.Mount({ grant: next }), bptm.Mount({ grant: next })]);
  expect(await barcodes()).toMatchObject({ drive0: 'A00002L8' });
  expect(await mountOf('drive0')).toMatchObject({ mediaId: 'A00002', holder: ref(1n) });
  await expect(bptm.Mount({ grant: grant(1n, 'A00001') })).rejects.toMatchObject({
    status: 'staleGrant',
  });
  await eventually('nbrb hears of it', () => {
    const last = nbrb
      .requests('ReportDrives')
      .at(-1)
      ?.drives.find((row) => row.drive === 'drive0');
    return last?.mediaId === 'A00002' && last.ready ? true : undefined;
  });
  const missing = { ...grant(1n, 'A00009'), volumeNumber: 2 };
  await expect(bptm.Mount({ grant: missing })).rejects.toMatchObject({ status: 'mediaMisplaced' });
  expect(await bptm.RenewMount({ grant: ref(1n), writerPid: 1 })).toMatchObject({ valid: true });
  await bptm.Mount({ grant: { ...grant(1n, 'A00001'), volumeNumber: 3 } });
  await bptm.Unmount({ grant: ref(1n) });
  expect(await mountOf('drive0')).toMatchObject({ state: 'idle', mediaId: 'A00001' });
});
