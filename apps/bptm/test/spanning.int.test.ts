// One image upon several volumes, in one drive process: what is written, and what is read back.

import { afterAll, afterEach, expect, test } from 'vitest';
import type { FromDrive } from '../src/drive-process/messages.ts';
import { TO_THE_END } from '../src/drive-process/session.ts';
import {
  BLOCK_SIZE_BYTES,
  giveVolumes,
  type Library,
  makeLibrary,
  makePool,
  randomData,
  readOrder,
  receiveAll,
  sendAll,
  volume,
  watch,
  writeImage,
  writeOrder,
} from './drive-kit.ts';

const pool = makePool();
let library: Library;

afterEach(() => library.remove());
afterAll(() => pool.close());

type Closed = FromDrive & { type: 'fragmentClosed' };

async function write(data: Buffer, more: Parameters<typeof writeOrder>[1] = {}) {
  const drive = watch(await pool.take());
  const given = giveVolumes(drive, library);
  drive.process.send({ type: 'start', order: writeOrder(library, more) });
  const { port } = await drive.report('listening');
  await sendAll(port, data);
  drive.process.send({ type: 'finish', expectedBytes: BigInt(data.length), env: [] });
  await drive.report('finished');
  await drive.exited;
  const closed = drive.reports.filter(
    (report): report is Closed => report.type === 'fragmentClosed',
  );
  return { closed, given, reports: drive.reports };
}

async function read(closed: readonly Closed[], ranges: readonly (readonly [number, bigint])[]) {
  const reader = watch(await pool.take());
  const given = giveVolumes(reader, library);
  const fragments = closed.map(({ fragment }) => fragment);
  const mediaId = fragments[0]!.mediaId;
  await library.exchange(`${mediaId}L8`);
  const owner = { grantId: 'g9', epoch: 9n };
  const order = readOrder(library, fragments, { owner, volume: volume(undefined, mediaId) });
  reader.process.send({ type: 'start', order });
  const { port } = await reader.report('listening');
  const received = receiveAll(port);
  for (const [index, [offset, length]] of ranges.entries()) {
    const range = { offset: BigInt(offset), length };
    reader.process.send({ type: 'range', sequence: index + 1, ...range });
  }
  const bytes = await received;
  reader.process.send({ type: 'finish', expectedBytes: 0n, env: [] });
  await reader.report('finished');
  return { bytes, given };
}

test('an image upon five volumes comes back whole, and by ranges from where they lie', async () => {
  library = await makeLibrary(4_000_000, 8);
  const data = randomData(14_000_000);
  const { closed, given, reports } = await write(data);
  expect(given).toEqual(['A00002', 'A00003', 'A00004', 'A00005']);
  const fragments = closed.map(({ fragment }) => fragment);
  expect(fragments.map(({ mediaId, number }) => [mediaId, number])).toEqual(
    ['A00001', 'A00002', 'A00003', 'A00004', 'A00005'].map((mediaId, at) => [mediaId, at + 1]),
  );
  let at = 0n;
  for (const { streamBeginBytes, streamEndBytes, fileNumber } of fragments) {
    expect({ streamBeginBytes, fileNumber }).toEqual({ streamBeginBytes: at, fileNumber: 1 });
    at = streamEndBytes;
  }
  expect(at).toBe(14_000_000n);
  const full = reports.filter((each) => each.type === 'mediaEvent');
  expect(full.filter(({ event }) => event === 'MEDIA_EVENT_FULL')).toHaveLength(4);

  const whole = await read(closed, [[0, TO_THE_END]]);
  expect(whole.bytes.equals(data)).toBe(true);
  expect(whole.given).toEqual(['A00002', 'A00003', 'A00004', 'A00005']);

  // From the third volume over its end into the fourth, and back to the second: nothing else is mounted.
  const [, second, third, fourth] = fragments;
  const ranges = [
    [Number(third!.streamBeginBytes) + 1_000, 3_100_000n],
    [Number(second!.streamEndBytes) - 5, 5n],
    [Number(fourth!.streamEndBytes) - 7, TO_THE_END],
  ] as const;
  const parts = await read(closed, ranges);
  const wanted = ranges.map(([offset, length]) =>
    data.subarray(offset, length === TO_THE_END ? data.length : offset + Number(length)),
  );
  expect(parts.bytes.equals(Buffer.concat(wanted))).toBe(true);
  expect(parts.given).toEqual(['A00003', 'A00004', 'A00002', 'A00004', 'A00005']);
});

test('where the image ends just behind early warning, no other volume is asked for', async () => {
  library = await makeLibrary(4_000_000, 2);
  const capacity = BLOCK_SIZE_BYTES - 80;
  for (const blocks of [44, 45, 46, 47]) {
    library.remove();
    library = await makeLibrary(4_000_000, 2);
    const data = randomData(blocks * capacity);
    const { closed } = await write(data);
    expect(closed.at(-1)?.fragment.streamEndBytes).toBe(BigInt(data.length));
    for (const { fragment } of closed) {
      expect(fragment.streamEndBytes).toBeGreaterThan(fragment.streamBeginBytes);
    }
    expect((await read(closed, [[0, TO_THE_END]])).bytes.equals(data)).toBe(true);
  }
});

test('a volume that is nearly full takes nothing of the image, and the next takes all', async () => {
  library = await makeLibrary(4_000_000, 3);
  const [first] = await writeImage(pool, writeOrder(library), randomData(2_990_000));
  const owner = { grantId: 'g3', epoch: 3n };
  const data = randomData(500_000);
  const { closed, given } = await write(data, { owner, volume: volume(first!.append) });
  expect(given.length).toBeLessThanOrEqual(1);
  expect((await read(closed, [[0, TO_THE_END]])).bytes.equals(data)).toBe(true);
});

test('fragments of a bounded size go on over volumes, too', async () => {
  library = await makeLibrary(4_000_000, 4);
  const data = randomData(7_000_000);
  const { closed } = await write(data, { maxFragmentBytes: 1_000_000n });
  expect(closed.length).toBeGreaterThan(7);
  expect(new Set(closed.map(({ fragment }) => fragment.mediaId)).size).toBe(3);
  expect((await read(closed, [[0, TO_THE_END]])).bytes.equals(data)).toBe(true);
});

test('a volume with foreign data is refused, and stays as it is while the image goes on upon another', async () => {
  library = await makeLibrary(4_000_000, 4);
  const { openVirtualDrive } = await import('@tapestry/storage');
  await library.exchange('A00002L8');
  const owner = { grantId: 'g0', epoch: 0n };
  const at = { libraryDir: library.dir, driveIndex: 0 };
  const foreign = await openVirtualDrive({ ...at, owner });
  await foreign.writeBlocks([{ parts: [Buffer.from('not ours')] }]);
  await foreign.writeFilemarks(1, 'sync');
  await foreign.close();
  await library.exchange('A00001L8');
  const data = randomData(5_000_000);
  const { closed, given, reports } = await write(data);
  expect(given).toEqual(['A00002', 'A00003']);
  expect(closed.map(({ fragment }) => fragment.mediaId)).toEqual(['A00001', 'A00003']);
  expect(reports).toContainEqual(
    expect.objectContaining({
      ...{
        type: 'volumeNeeded',
        refused: expect.objectContaining({ status: 'cannotOverwriteMedia' }),
      },
    }),
  );
  expect((await read(closed, [[0, TO_THE_END]])).bytes.equals(data)).toBe(true);
  await library.exchange('A00002L8');
  const again = await openVirtualDrive({ ...at, owner: { grantId: 'gx', epoch: 99n } });
  const block = Buffer.alloc(100);
  expect(await again.readBlock(block)).toMatchObject({ kind: 'block', lengthBytes: 8 });
  await again.close();
});

test('a write error is no end of the medium: the stream ends with it', async () => {
  library = await makeLibrary(4_000_000, 3);
  const { openVirtualLibrary } = await import('@tapestry/storage');
  const opened = await openVirtualLibrary(library.dir);
  await opened.addFault({ place: 'cartridge A00002L8', kind: 'writeFails', after: 6 });
  await opened.close();
  const drive = watch(await pool.take());
  giveVolumes(drive, library);
  drive.process.send({ type: 'start', order: writeOrder(library) });
  const { port } = await drive.report('listening');
  void sendAll(port, randomData(9_000_000)).catch(() => undefined);
  expect((await drive.report('failed')).failure.status).toBe('mediaWriteError');
  const closed = drive.reports.filter(
    (report): report is Closed => report.type === 'fragmentClosed',
  );
  expect(closed.map(({ fragment }) => fragment.mediaId)).toEqual(['A00001']);
});
