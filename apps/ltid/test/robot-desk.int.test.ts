import { eventually } from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Bench, ref, startBench } from './bench.ts';

let bench: Bench;
let lab: Awaited<ReturnType<Bench['fresh']>>;

beforeAll(async () => {
  bench = await startBench(['media1', 'media2']);
});
afterAll(() => bench.bus.stop());
beforeEach(async () => {
  bench.forget();
  lab = await bench.fresh();
  await lab.start();
});
afterEach(() => lab.end());

const address = async (type: string, index: number) =>
  (await lab.library.inventory()).find((each) => each.type === type && each.index === index)!
    .address;

test('volumes come in through the mail slots and leave through them, as far as there is room', async () => {
  await lab.library.addCartridge({ barcode: 'B00001L8', capacityBytes: 10_000_000 });
  await lab.library.addCartridge({ barcode: 'B00002L8', capacityBytes: 10_000_000 });
  const { media } = await bench.asCli.ImportVolumes({ robotNumber: 0 });
  expect(media).toMatchObject([
    { barcode: 'B00001L8', from: { type: 'import_export' }, to: { type: 'slot', number: 3 } },
    { barcode: 'B00002L8', to: null, failure: { code: 164 } },
  ]);
  const left = await bench.asCli.EjectVolumes({
    ...{ robotNumber: 0, barcodes: ['A00001L8', 'A00002L8', 'NONE01'] },
  });
  expect(left.media).toMatchObject([
    { barcode: 'A00001L8', to: { type: 'import_export', number: 1 }, failure: null },
    { failure: { code: 164 } },
    { failure: { code: 2033 } },
  ]);
  const again = await bench.asCli.EjectVolumes({ robotNumber: 0, barcodes: ['A00001L8'] });
  expect(again.media).toMatchObject([{ to: null, failure: null }]);
});

test('an operator moves what nobody holds', async () => {
  const [slot, drive] = [await address('slot', 0), await address('drive', 0)];
  await bench.asCli.MoveMedium({ robotNumber: 0, fromAddress: slot, toAddress: drive });
  const back = { robotNumber: 0, fromAddress: drive, toAddress: slot };
  await bench.asCli.MoveMedium(back);
  await eventually('told', () => bench.events('MEDIA_EVENT_UNMOUNTED').length > 0);
  await bench.bptm.Mount({ grant: bench.grant(5n, 'A00001') });
  await expect(bench.asCli.MoveMedium(back)).rejects.toMatchObject({ status: 'mediaInUse' });
  const eject = await bench.asCli.EjectVolumes({ robotNumber: 0, barcodes: ['A00001L8'] });
  expect(eject.media).toMatchObject([{ failure: { code: 97 } }]);
  const empty = { ...back, fromAddress: await address('slot', 2) };
  await expect(bench.asCli.MoveMedium(empty)).rejects.toMatchObject({ status: 'slotEmpty' });
});

test('a robot that another host controls is moved by its ltid, under the same fence', async () => {
  await lab.start({ LTID_UNMOUNT_DELAY_MS: '1' }, 'media2');
  const other = await bench.bptmOf('media2');
  await other.Mount({ grant: bench.grant(7n, 'A00001', 1, 'media2') });
  expect(await lab.barcodes()).toMatchObject({ drive1: 'A00001L8', slot0: null });
  await other.Unmount({ grant: ref(7n) });
  await eventually('home', async () => (await lab.barcodes()).slot0 === 'A00001L8');
  // What the control host itself holds under a later grant is refused.
  await bench.bptm.Mount({ grant: bench.grant(9n, 'A00002', 0) });
  const taken = other.Mount({ grant: bench.grant(8n, 'A00001', 0, 'media2') });
  await expect(taken).rejects.toMatchObject({ status: 'staleGrant' });
  expect(await lab.barcodes()).toMatchObject({ drive0: 'A00002L8' });
});

test('who looks on is told of each move, and sees the library while the arm is on its way', async () => {
  const console = await bench.bus.as({ service: 'console' });
  const heard: string[] = [];
  await console.hear('RobotMoved', ({ robotNumber, fromAddress, toAddress, phase }) => {
    heard.push(`${robotNumber}: ${fromAddress} to ${toAddress} ${phase}`);
  });
  const ltid = console.client('ltid', 'media1');
  const look = () => ltid.ReadElements({ robotNumber: 0, asBelieved: true, glance: true });
  const [slot, drive] = [await address('slot', 0), await address('drive', 0)];
  const there = { robotNumber: 0, fromAddress: slot, toAddress: drive };
  const barcodeAt = async (at: number) =>
    (await look()).elements.find((each) => each.address === at)?.barcode;
  expect(await barcodeAt(slot)).toBe('A00001L8');
  await lab.library.addFault({ place: 'robot', kind: 'slow', delayMs: 1_500 });
  const moving = bench.asCli.MoveMedium(there);
  await eventually('begun', () => heard.includes(`0: ${slot} to ${drive} began`));
  const during = await look();
  expect(during.moving).toMatchObject({ fromAddress: slot, toAddress: drive });
  expect(during.elements.find((each) => each.address === slot)?.full).toBe(true);
  await moving;
  await lab.library.clearFaults();
  expect((await look()).moving).toBeNull();
  expect(await barcodeAt(drive)).toBe('A00001L8');
  expect(heard).toEqual([`0: ${slot} to ${drive} began`, `0: ${slot} to ${drive} made`]);

  await expect(bench.asCli.MoveMedium(there)).rejects.toMatchObject({ status: 'slotEmpty' });
  await eventually('failed', () => heard.at(-1) === `0: ${slot} to ${drive} failed`);
  expect(await barcodeAt(drive)).toBe('A00001L8');
});
