import { eventually } from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Bench, ref, startBench } from './bench.ts';

let bench: Bench;
let lab: Awaited<ReturnType<Bench['fresh']>>;
let cleanings: number;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.bus.stop());
beforeEach(async () => {
  bench.forget();
  cleanings = 2;
  bench.nbemm.answer({
    ListVolumes: async () => ({
      volumes: [
        { mediaType: 'HCART', cleanings: 0, volume: { mediaId: 'A00001', barcode: 'A00001L8' } },
        {
          ...{ mediaType: 'HCART_CLN', cleanings },
          volume: { mediaId: 'CLN001', barcode: 'CLN001L1', density: 'hcart' },
        },
      ],
    }),
  });
  lab = await bench.fresh([
    { barcode: 'A00001L8', capacityBytes: 10_000_000 },
    { barcode: 'CLN001L1', capacityBytes: 10_000_000, kind: 'cleaning' },
  ]);
});
afterEach(() => lab.end());

const rowOf = async (drive: string) =>
  (await bench.asCli.ListCleaning({})).drives.find((each) => each.drive === drive);
const address = async (type: string, index: number) =>
  (await lab.library.inventory()).find((each) => each.type === type && each.index === index)!
    .address;

test('a drive that asks to be cleaned is, once it is given back', async () => {
  await lab.start();
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await bench.bptm.Unmount({ grant: ref(1n), tapeAlerts: [20] });
  await eventually('cleaned', () => bench.events('MEDIA_EVENT_CLEANED').length === 1);
  expect(bench.events('MEDIA_EVENT_CLEANED')).toMatchObject([
    { mediaId: 'CLN001', drive: 'drive0' },
  ]);
  await eventually('all home', async () => {
    const { slot0, slot1, drive0 } = await lab.barcodes();
    return slot0 === 'A00001L8' && slot1 === 'CLN001L1' && drive0 === null;
  });
  await eventually('back', async () => {
    const { mounts } = await bench.bptm.ListMounts({});
    return mounts.find(({ drive }) => drive === 'drive0')?.state === 'idle';
  });
  expect(await rowOf('drive0')).toMatchObject({ wanted: '', usedMs: 0n });
  expect((await rowOf('drive0'))?.lastCleanedMs).toBeGreaterThan(0n);
});

test('nbrb hears that a drive is away while it is cleaned', async () => {
  await lab.start();
  await lab.library.addFault({ place: 'robot', kind: 'slow', delayMs: 1_000, times: 2 });
  const drive0 = () =>
    bench.nbrb
      .requests('ReportDrives')
      .at(-1)
      ?.drives.find(({ drive }) => drive === 'drive0');
  const cleaning = bench.asCli.CleanDrive({ drive: 'drive0' });
  await eventually('away', () => drive0()?.reason === 'being cleaned' && !drive0()?.ready);
  await cleaning;
  await eventually('back', () => drive0()?.ready === true);
});

test('nbrb hears that a drive is in doubt, and why, until it is tried again', async () => {
  await lab.start({ LTID_DOUBT_MS: '1500', LTID_LOOK_EVERY_MS: '100' });
  const drive0 = () =>
    bench.nbrb
      .requests('ReportDrives')
      .at(-1)
      ?.drives.find(({ drive }) => drive === 'drive0');
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await bench.bptm.Unmount({ grant: ref(1n), doubt: 'filer1 keeps the tape' });
  await eventually('told', () => drive0()?.reason === 'filer1 keeps the tape' && !drive0()?.ready);
  expect(drive0()?.holder).toBe(null);
  const { mounts } = await bench.asCli.ListMounts({});
  expect(mounts.find(({ drive }) => drive === 'drive0')).toMatchObject({ state: 'unknown' });
  await eventually('back', () => drive0()?.ready === true);
});

test('without a cartridge that has cleanings left nothing moves, and the drive says so', async () => {
  cleanings = 0;
  await lab.start();
  const clean = bench.asCli.CleanDrive({ drive: 'drive0' });
  await expect(clean).rejects.toMatchObject({ status: 'noCleaningMedia' });
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await expect(bench.asCli.CleanDrive({ drive: 'drive0' })).rejects.toMatchObject({
    status: 'driveAllocated',
  });
  await bench.bptm.Unmount({ grant: ref(1n), tapeAlerts: [21] });
  await eventually('told', async () => {
    const { mounts } = await bench.bptm.ListMounts({});
    return mounts.some(({ drive, reason }) => drive === 'drive0' && /2088/.test(reason));
  });
  expect(bench.events('MEDIA_EVENT_CLEANED')).toEqual([]);
  expect(await rowOf('drive0')).toMatchObject({ wanted: 'TapeAlert 21' });
  // A grant may still have it.
  await bench.bptm.Mount({ grant: bench.grant(2n, 'A00001') });
});

test('a drive is cleaned by hand, and its frequency is kept', async () => {
  const first = await lab.start();
  await bench.asCli.CleanDrive({ drive: 'drive1' });
  expect(await lab.barcodes()).toMatchObject({ drive1: null, slot1: 'CLN001L1' });
  await bench.asCli.SetCleaning({ drive: 'drive0', setFrequency: true, frequencyHours: 3 });
  await first.stop();
  await lab.start();
  expect(await rowOf('drive0')).toMatchObject({ frequencyHours: 3, wanted: '' });
  const missing = bench.asCli.SetCleaning({ drive: 'drive9', reset: true });
  await expect(missing).rejects.toMatchObject({ status: 'notFound' });
  await expect(bench.asCli.CleanDrive({ drive: 'drive9' })).rejects.toMatchObject({
    status: 'notFound',
  });
});

test('a jammed robot leaves the drive wanting, and a mount that comes meanwhile is served', async () => {
  await lab.start();
  await lab.library.addFault({ place: 'robot', kind: 'jam' });
  const clean = bench.asCli.CleanDrive({ drive: 'drive0' });
  await expect(clean).rejects.toMatchObject({ status: 'robotDown' });
  await lab.library.clearFaults();
  await lab.library.move(await address('slot', 1), await address('drive', 0));
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  expect(await lab.barcodes()).toMatchObject({ drive0: 'A00001L8', slot1: 'CLN001L1' });
});

test('flags that condemn a volume or a drive are told to nbemm, once', async () => {
  await lab.start();
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await bench.bptm.Unmount({ grant: ref(1n), tapeAlerts: [6, 30] });
  await bench.bptm.Unmount({ grant: ref(1n), tapeAlerts: [6, 30] });
  await bench.nbemm.waitFor('SetDriveState');
  expect(bench.events('MEDIA_EVENT_CONDEMNED')).toMatchObject([
    { mediaId: 'A00001', drive: 'drive0', detail: 'TapeAlert 6, 30', grant: { grantId: 'g1' } },
  ]);
  expect(bench.nbemm.requests('SetDriveState')).toMatchObject([
    { name: 'drive0', up: false, reason: 'TapeAlert 6, 30' },
  ]);
});

test('flags that come with the mount of a next volume are those of the volume before', async () => {
  await lab.start();
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001'), tapeAlerts: [4] });
  // Whether the robot has the next volume does not matter.
  const next = { ...bench.grant(1n, 'A00009'), volumeNumber: 1 };
  const missing = bench.bptm.Mount({ grant: next, tapeAlerts: [5] });
  await expect(missing).rejects.toMatchObject({ status: 'mediaMisplaced' });
  await eventually('told', () => bench.events('MEDIA_EVENT_CONDEMNED').length > 0);
  expect(bench.events('MEDIA_EVENT_CONDEMNED')).toMatchObject([
    { mediaId: 'A00001', detail: 'TapeAlert 5' },
  ]);
});
