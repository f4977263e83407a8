import { eventually } from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Bench, ref, startBench } from './bench.ts';

let bench: Bench;
let lab: Awaited<ReturnType<Bench['fresh']>>;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.bus.stop());
beforeEach(async () => {
  bench.forget();
  lab = await bench.fresh();
});
afterEach(() => lab.end());

const slotOf = async (barcode: string) =>
  Object.entries(await lab.barcodes()).find(([, there]) => there === barcode)?.[0];
const address = async (type: string, index: number) =>
  (await lab.library.inventory()).find((each) => each.type === type && each.index === index)!
    .address;

test('a volume that nobody wants goes home after the delay, and nbemm hears of it', async () => {
  await lab.start({ LTID_UNMOUNT_DELAY_MS: '1' });
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await bench.bptm.Unmount({ grant: ref(1n) });
  await eventually('home', async () => (await slotOf('A00001L8')) === 'slot0');
  await eventually('told', () => bench.events('MEDIA_EVENT_UNMOUNTED').length === 1);
  expect(bench.events('MEDIA_EVENT_UNMOUNTED')).toMatchObject([
    { mediaId: 'A00001', drive: 'drive0' },
  ]);
  const { mounts } = await bench.bptm.ListMounts({});
  expect(mounts.find(({ drive }) => drive === 'drive0')).toMatchObject({ mediaId: '' });
});

test('the next grant of the same volume needs no move; a held volume stays', async () => {
  await lab.start();
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  await bench.bptm.Unmount({ grant: ref(1n) });
  await lab.library.addFault({ place: 'robot', kind: 'jam' });
  await bench.bptm.Mount({ grant: bench.grant(2n, 'A00001') });
  expect(await slotOf('A00001L8')).toBe('drive0');
});

test('what a crash left in drives is taken home after the delay, with or without a barcode', async () => {
  await lab.library.move(await address('slot', 0), await address('drive', 0));
  await lab.library.move(await address('slot', 1), await address('drive', 1));
  await lab.library.addFault({ place: 'cartridge A00002L8', kind: 'unreadableBarcode' });
  await lab.start({ LTID_UNMOUNT_DELAY_MS: '1' });
  await eventually('both home', async () => {
    const elements = await lab.library.inventory();
    return elements.every(({ type, full }) => type !== 'drive' || !full);
  });
  await lab.library.clearFaults();
  expect(await lab.barcodes()).toMatchObject({ slot0: 'A00001L8', slot1: 'A00002L8' });
});

test('a volume without a free slot stays, and the drive says why', async () => {
  const fillers = ['B00001L8', 'B00002L8'].map((barcode) => ({
    ...{ barcode, capacityBytes: 10_000_000 },
  }));
  await lab.start({ LTID_UNMOUNT_DELAY_MS: '1' });
  await bench.bptm.Mount({ grant: bench.grant(1n, 'A00001') });
  // No slot is free any more: that is not the drive's fault.
  for (const filler of fillers) await lab.library.addCartridge(filler);
  const mail = await address('importExport', 0);
  await lab.library.move(mail, await address('slot', 0));
  await lab.library.move(await address('importExport', 1), await address('slot', 2));
  await bench.bptm.Unmount({ grant: ref(1n) });
  await eventually('told why', async () => {
    const { mounts } = await bench.bptm.ListMounts({});
    return mounts.some(({ drive, reason }) => drive === 'drive0' && /no free slot/.test(reason));
  });
  expect(bench.nbemm.requests('SetDriveState')).toEqual([]);
  expect(await slotOf('A00001L8')).toBe('drive0');
});
