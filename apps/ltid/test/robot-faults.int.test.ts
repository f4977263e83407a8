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
  await lab.start();
});
afterEach(() => lab.end());

const mount = (epoch: bigint, mediaId: string, drive = 0) =>
  bench.bptm.Mount({ grant: bench.grant(epoch, mediaId, drive) });
const address = async (type: string, index: number) =>
  (await lab.library.inventory()).find((each) => each.type === type && each.index === index)!
    .address;

test('a robot that is stuck for a while is asked again; a move that was made all the same counts', async () => {
  await lab.library.addFault({ place: 'robot', kind: 'jam', times: 2 });
  await mount(1n, 'A00001');
  await bench.bptm.Unmount({ grant: ref(1n) });
  await lab.library.addFault({ place: 'robot', kind: 'jamBehindMove', times: 2 });
  await mount(2n, 'A00002');
  expect(await lab.barcodes()).toMatchObject({ drive0: 'A00002L8', slot0: 'A00001L8' });
});

test.each(['jam', 'doorOpen'] as const)(
  'a robot that stays in %s is down, and no drive or volume is blamed',
  async (kind) => {
    await lab.library.addFault({ place: 'robot', kind });
    await expect(mount(1n, 'A00001')).rejects.toMatchObject({ status: 'robotDown' });
    const { mounts } = await bench.bptm.ListMounts({});
    expect(mounts.find(({ drive }) => drive === 'drive0')).toMatchObject({
      state: 'idle',
      holder: null,
    });
    expect(bench.events('MEDIA_EVENT_LOAD_ERROR')).toEqual([]);
    await lab.library.clearFaults();
    await mount(2n, 'A00001');
  },
);

test('a slot that looked empty is full: the volume in the drive goes to another', async () => {
  await mount(1n, 'A00001');
  await bench.bptm.Unmount({ grant: ref(1n) });
  await lab.library.addCartridge({ barcode: 'B00001L8', capacityBytes: 10_000_000 });
  const home = await address('slot', 0);
  await lab.library.move(await address('importExport', 0), home);
  await lab.library.addFault({ place: `element ${home}`, kind: 'looksEmpty' });
  await mount(2n, 'A00002');
  await lab.library.clearFaults();
  expect(await lab.barcodes()).toMatchObject({
    ...{ drive0: 'A00002L8', slot0: 'B00001L8', slot2: 'A00001L8' },
  });
});

test('a drive that looked empty is full: what is in it is put away first', async () => {
  await mount(1n, 'A00001');
  await bench.bptm.Unmount({ grant: ref(1n) });
  await lab.library.addFault({
    ...{ place: `element ${await address('drive', 0)}`, kind: 'looksEmpty' },
  });
  await mount(2n, 'A00002');
  await lab.library.clearFaults();
  expect(await lab.barcodes()).toMatchObject({ drive0: 'A00002L8', slot0: 'A00001L8' });
});

test('a drive that looks full and is not: the volume goes in', async () => {
  await lab.library.addFault({
    ...{ place: `element ${await address('drive', 0)}`, kind: 'looksFull' },
  });
  await mount(1n, 'A00001');
  await lab.library.clearFaults();
  expect(await lab.barcodes()).toMatchObject({ drive0: 'A00001L8' });
});

test('a volume that is nowhere is told to nbemm', async () => {
  await expect(mount(1n, 'A00009')).rejects.toMatchObject({ status: 'mediaMisplaced' });
  await eventually('told', () => bench.events('MEDIA_EVENT_MISPLACED').length === 1);
});

test('what nbemm must hear waits for it', async () => {
  let calls = 0;
  bench.nbemm.answer({
    RecordMediaEvent: async () => {
      calls += 1;
      if (calls < 3) throw new Error('away');
      return {};
    },
  });
  await mount(1n, 'A00001');
  await eventually('heard', () => calls === 3);
  bench.nbemm.answer({ RecordMediaEvent: async () => ({}) });
});

test('a robot that does not answer in time fails the mounts that wait, and what it did late is found', async () => {
  await lab.end();
  lab = await bench.fresh();
  await lab.start({ LTID_MOVE_TIMEOUT_MS: '2000' });
  await lab.library.addFault({ place: 'robot', kind: 'slow', delayMs: 4_000, times: 1 });
  const ends = await Promise.allSettled([mount(1n, 'A00001'), mount(2n, 'A00002', 1)]);
  expect(ends).toMatchObject([
    { reason: { status: 'mountTimedOut' } },
    { reason: { status: 'mountTimedOut' } },
  ]);
  await eventually('made all the same', async () => {
    return (await lab.barcodes()).drive0 === 'A00001L8';
  });
  await mount(3n, 'A00002');
  expect(await lab.barcodes()).toMatchObject({ drive0: 'A00002L8', slot0: 'A00001L8' });
});
