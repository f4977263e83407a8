import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { DrivePool } from '../src/adapters/drive-pool.ts';
import { TO_THE_END } from '../src/drive-process/session.ts';
import {
  BLOCK_SIZE_BYTES,
  type Library,
  makeLibrary,
  makePool,
  randomData,
  readOrder,
  receiveAll,
  volume,
  watch,
  writeImage,
  writeOrder,
} from './drive-kit.ts';

const pool: DrivePool = makePool();
let library: Library;

beforeEach(async () => {
  library = await makeLibrary();
});
afterEach(() => library.remove());
afterAll(() => pool.close());

const capacity = BLOCK_SIZE_BYTES - 80;

test.each([
  ['nothing', 0],
  ['one byte', 1],
  ['exactly three blocks', 3 * capacity],
  ['several megabytes', 5_000_017],
])('an image of %s comes back byte for byte', async (_what, sizeBytes) => {
  const data = randomData(sizeBytes);
  const [closed] = await writeImage(pool, writeOrder(library), data);
  expect(closed?.fragment.streamEndBytes).toBe(BigInt(sizeBytes));
  expect(closed?.append.fileNumber).toBe(2);
  if (sizeBytes === 0) return;

  const reader = watch(await pool.take());
  reader.process.send({ type: 'start', order: readOrder(library, [closed!.fragment]) });
  const { port } = await reader.report('listening');
  const received = receiveAll(port);
  reader.process.send({ type: 'range', sequence: 1, offset: 0n, length: TO_THE_END });
  expect((await received).equals(data)).toBe(true);
  reader.process.send({ type: 'finish', expectedBytes: 0n, env: [] });
  expect((await reader.report('finished')).bytes).toBe(BigInt(sizeBytes));
});

test('an image in several fragments, appended to another, is read by ranges in any order', async () => {
  const [first] = await writeImage(pool, writeOrder(library), randomData(100_000));
  const data = randomData(1_000_000);
  const order = writeOrder(library, {
    owner: { grantId: 'g2', epoch: 2n },
    volume: volume(first!.append),
    maxFragmentBytes: BigInt(4 * capacity),
  });
  const closed = await writeImage(pool, order, data);
  expect(closed.map(({ fragment }) => fragment.fileNumber)).toEqual([2, 3, 4, 5]);

  const reader = watch(await pool.take());
  const fragments = closed.map(({ fragment }) => fragment);
  const owner = { grantId: 'g3', epoch: 3n };
  reader.process.send({ type: 'start', order: readOrder(library, fragments, { owner }) });
  const { port } = await reader.report('listening');
  const received = receiveAll(port);
  const ranges = [
    [700_000, 10],
    [5, 600_000],
    [capacity - 1, 2],
    [999_990, 10],
  ] as const;
  for (const [index, [offset, length]] of ranges.entries()) {
    const range = { offset: BigInt(offset), length: BigInt(length) };
    reader.process.send({ type: 'range', sequence: index + 1, ...range });
  }
  reader.process.send({ type: 'range', sequence: 9, offset: 0n, length: TO_THE_END });
  const wanted = [
    ...ranges.map(([offset, length]) => data.subarray(offset, offset + length)),
    data,
  ];
  expect((await received).equals(Buffer.concat(wanted))).toBe(true);
  reader.process.send({ type: 'finish', expectedBytes: 0n, env: [] });
  await reader.report('finished');
});

test('a stream that is shorter than the data server says is not closed', async () => {
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order: writeOrder(library) });
  const { port } = await drive.report('listening');
  const { sendAll } = await import('./drive-kit.ts');
  await sendAll(port, randomData(200_000));
  drive.process.send({ type: 'finish', expectedBytes: 200_001n, env: [] });
  expect((await drive.report('failed')).failure.status).toBe('earlyEof');
  expect(drive.reports.some(({ type }) => type === 'fragmentClosed')).toBe(false);
});

test('a volume with foreign data is refused and stays as it is', async () => {
  const { openVirtualDrive } = await import('@tapestry/storage');
  const owner = { grantId: 'g0', epoch: 1n };
  const foreign = await openVirtualDrive({ libraryDir: library.dir, driveIndex: 0, owner });
  await foreign.writeBlocks([{ parts: [Buffer.from('not ours')] }]);
  await foreign.writeFilemarks(1, 'sync');
  await foreign.close();
  const drive = watch(await pool.take());
  const order = writeOrder(library, { owner: { grantId: 'g1', epoch: 2n } });
  drive.process.send({ type: 'start', order });
  expect((await drive.report('failed')).failure.status).toBe('cannotOverwriteMedia');
});

test('a lease that is not renewed stops the writer', async () => {
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order: writeOrder(library, { leaseMs: 500 }) });
  expect((await drive.report('failed')).failure.status).toBe('staleGrant');
  await drive.exited;
});

test('a stranger is refused, the filer is still served', async () => {
  const drive = watch(await pool.take());
  const order = writeOrder(library);
  const connection = { ...order.connection, peers: ['192.0.2.1'] };
  drive.process.send({ type: 'start', order: { ...order, connection } });
  const { port } = await drive.report('listening');
  await expect(receiveAll(port)).rejects.toThrow(/ECONNRESET/);
  expect((await drive.report('stranger')).address).toMatch(/127\.0\.0\.1/);
  drive.process.send({ type: 'abort', reason: 'test over' });
  await drive.exited;
});

test('killed in the middle of a stream, it leaves the medium as the last closed fragment made it', async () => {
  const [first] = await writeImage(pool, writeOrder(library), randomData(300_000));
  const owner = { grantId: 'g2', epoch: 2n };
  const order = writeOrder(library, { owner, volume: volume(first!.append) });
  const killed = watch(await pool.take());
  killed.process.send({ type: 'start', order });
  const { port } = await killed.report('listening');
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(randomData(3_000_000));
  await killed.report('connected');
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.kill(killed.process.pid, 'SIGKILL');
  expect(await killed.exited).toBe('signal SIGKILL');
  socket.destroy();

  const data = randomData(400_000);
  const next = { grantId: 'g3', epoch: 3n };
  const again = writeOrder(library, { owner: next, volume: volume(first!.append) });
  const [closed] = await writeImage(pool, again, data);
  expect(closed?.fragment.fileNumber).toBe(2);
});
