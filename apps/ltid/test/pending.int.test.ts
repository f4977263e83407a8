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
  lab = await bench.fresh();
});
afterEach(() => lab.end());

const QUEUE = { LTID_MOUNT_ERRORS: 'queue' };
const address = async (type: string, index: number) =>
  (await lab.library.inventory()).find((each) => each.type === type && each.index === index)!
    .address;
const pendingOnes = async (count: number) =>
  eventually(`${count} pending`, async () => {
    const { requests } = await bench.asCli.ListPending({});
    return requests.length === count ? requests : undefined;
  });
/** A mount whose end is looked at later. */
const mountLater = (epoch: bigint, mediaId: string) => {
  const answer = bench.bptm.Mount({ grant: bench.grant(epoch, mediaId) });
  answer.catch(() => undefined);
  return answer;
};
const answer = (id: bigint, text: string, drive = '') =>
  bench.asCli.AnswerPending({ id, answer: text, drive, requester: 'operator' });

test('a volume that is outside waits for an operator, who puts it in and has it tried again', async () => {
  await lab.start(QUEUE);
  const mounting = mountLater(1n, 'B00001');
  const [request] = await pendingOnes(1);
  expect(request).toMatchObject({ mediaId: 'B00001', drive: 'drive0', mode: 'DRIVE_MODE_WRITE' });
  await lab.library.addCartridge({ barcode: 'B00001L8', capacityBytes: 10_000_000 });
  await answer(request!.id, 'resubmit');
  await mounting;
  expect(await lab.barcodes()).toMatchObject({ drive0: 'B00001L8' });
  await pendingOnes(0);
});

test('denied, it fails with 906 and the drive is idle', async () => {
  await lab.start(QUEUE);
  const mounting = mountLater(1n, 'B00001');
  const [request] = await pendingOnes(1);
  await answer(request!.id, 'deny');
  await expect(mounting).rejects.toMatchObject({ status: 'mountRequestDenied' });
  await expect(answer(request!.id, 'deny')).rejects.toMatchObject({ status: 'notFound' });
  const { mounts } = await bench.bptm.ListMounts({});
  expect(mounts.find(({ drive }) => drive === 'drive0')).toMatchObject({ holder: null });
});

test('what is assigned must be in the granted drive', async () => {
  await lab.start(QUEUE);
  const mounting = mountLater(1n, 'B00001');
  const [request] = await pendingOnes(1);
  const assign = (drive: string) => answer(request!.id, 'assign', drive);
  await expect(assign('drive1')).rejects.toMatchObject({ status: 'invalidParameter' });
  await expect(assign('drive0')).rejects.toMatchObject({ status: 'driveNotReady' });
  const drive = await address('drive', 0);
  await lab.library.move(await address('slot', 0), drive);
  await expect(assign('drive0')).rejects.toMatchObject({ status: 'wrongTape' });
  await lab.library.addFault({ place: 'cartridge A00001L8', kind: 'unreadableBarcode' });
  await assign('drive0');
  await mounting;
});

test('neither a request nor its answer is lost over a restart', async () => {
  const first = await lab.start(QUEUE);
  const lost = mountLater(1n, 'B00001');
  const [request] = await pendingOnes(1);
  await first.stop();
  await expect(lost).rejects.toThrow();
  await lab.start(QUEUE);
  expect(await pendingOnes(1)).toMatchObject([{ id: request!.id }]);
  await answer(request!.id, 'deny');
  const again = mountLater(1n, 'B00001');
  await expect(again).rejects.toMatchObject({ status: 'mountRequestDenied' });
  await pendingOnes(0);
});

test('a request is withdrawn when it is given back, taken over, refused by nbrb or silent', async () => {
  const first = await lab.start(QUEUE);
  const back = mountLater(1n, 'B00001');
  await pendingOnes(1);
  await bench.bptm.Unmount({ grant: ref(1n) });
  await expect(back).rejects.toMatchObject({ status: 'staleGrant' });
  const early = mountLater(2n, 'B00001');
  await pendingOnes(1);
  await bench.bptm.Mount({ grant: bench.grant(3n, 'A00001') });
  await expect(early).rejects.toMatchObject({ status: 'staleGrant' });
  await bench.bptm.Unmount({ grant: ref(3n) });
  const invalid = mountLater(4n, 'B00001');
  await pendingOnes(1);
  bench.nbrb.answer({ RenewGrants: async ({ grants }) => ({ invalid: grants }) });
  await expect(mountLater(4n, 'B00001')).rejects.toMatchObject({ status: 'staleGrant' });
  await expect(invalid).rejects.toMatchObject({ status: 'staleGrant' });
  bench.nbrb.answer({ RenewGrants: async () => ({ invalid: [] }) });
  await first.stop();
  await lab.start({ ...QUEUE, LTID_SILENT_MS: '300' });
  const silent = mountLater(6n, 'B00001');
  await expect(silent).rejects.toMatchObject({ status: 'staleGrant' });
  await pendingOnes(0);
});
