// A drive process whose drive several streams share, on a virtual library: streams join, end, die and are broken off
// while others write, and each that was acknowledged is read back.

import net from 'node:net';
import type { Fragment } from '@tapestry/contracts';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { DrivePool } from '../src/adapters/drive-pool.ts';
import { TO_THE_END } from '../src/drive-process/session.ts';
import {
  type Library,
  makeLibrary,
  makePool,
  randomData,
  readOrder,
  receiveAll,
  sendAll,
  volume,
  type Watched,
  watch,
  watchShared,
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

const order = (n: number) => {
  const made = writeOrder(library, { ringBytes: 524_288 });
  return { ...made, image: { ...made.image, backupId: `filer_${n}` } };
};

const closedOf = ({ reports }: Watched) =>
  reports.filter((report) => report.type === 'fragmentClosed');
const fragmentsOf = (stream: Watched): Fragment[] =>
  closedOf(stream).map(({ fragment }) => fragment);

async function listening(stream: Watched, n: number): Promise<number> {
  stream.process.send({ type: 'start', order: order(n) });
  return (await stream.report('listening')).port;
}

async function backUp(stream: Watched, n: number, data: Buffer): Promise<void> {
  await sendAll(await listening(stream, n), data);
  stream.process.send({ type: 'finish', expectedBytes: BigInt(data.length), env: [] });
  await stream.report('finished');
  await stream.exited;
}

let epoch = 10n;
async function restore(
  n: number,
  fragments: readonly Fragment[],
  ranges: readonly (readonly [number, number])[] = [],
): Promise<Buffer> {
  epoch += 1n;
  const owner = { grantId: `r${epoch}`, epoch };
  const reader = watch(await pool.take());
  const read = readOrder(library, fragments, { owner, backupId: `filer_${n}` });
  reader.process.send({ type: 'start', order: read });
  const { port } = await reader.report('listening');
  const received = receiveAll(port);
  for (const [i, [offset, length]] of ranges.entries()) {
    const range = { offset: BigInt(offset), length: BigInt(length) };
    reader.process.send({ type: 'range', sequence: i + 1, ...range });
  }
  reader.process.send({ type: 'range', sequence: 99, offset: 0n, length: TO_THE_END });
  const bytes = await received;
  reader.process.send({ type: 'finish', expectedBytes: 0n, env: [] });
  await reader.report('finished');
  await reader.exited;
  return bytes;
}

test.each([2, 8, 32])('%i streams at once on one drive come back byte for byte', async (count) => {
  const shared = watchShared(await pool.takeShared());
  const all = Array.from({ length: count }, (_, i) => ({
    n: i + 1,
    stream: shared.member(i + 1),
    data: randomData(200_000 + 150_001 * (i % 5)),
  }));
  await Promise.all(all.map(({ n, stream, data }) => backUp(stream, n, data)));
  expect(await shared.leave()).toBe('exit code 0');
  expect(all.some(({ stream }) => fragmentsOf(stream).some((each) => each.stream > 0))).toBe(true);
  for (const { n, stream, data } of all.slice(0, 6)) {
    const ranges = [
      [150_000, 40_000],
      [5, 100],
    ] as const;
    const wanted = [...ranges.map(([at, length]) => data.subarray(at, at + length)), data];
    const got = await restore(n, fragmentsOf(stream), ranges);
    expect(got.equals(Buffer.concat(wanted))).toBe(true);
  }
  // The next image, alone, goes behind what was acknowledged last.
  const last = all
    .flatMap(({ stream }) => closedOf(stream))
    .sort((a, b) => a.append.fileNumber - b.append.fileNumber);
  const owner = { grantId: 'next', epoch: 1000n };
  const { append } = last.at(-1)!;
  const next = randomData(300_000);
  const [closed] = await writeImage(
    pool,
    writeOrder(library, { owner, volume: volume(append) }),
    next,
  );
  expect(closed?.fragment.fileNumber).toBe(append.fileNumber);
});

test('a filer that dies, one that is aborted and one that lies end alone; the others are whole', async () => {
  const shared = watchShared(await pool.takeShared());
  const [dying, aborted, lying, well, late] = [1, 2, 3, 4, 5].map((n) => shared.member(n)) as [
    Watched,
    Watched,
    Watched,
    Watched,
    Watched,
  ];
  const wellData = randomData(3_000_000);
  const wellPort = await listening(well, 4);
  const filer = net.connect(wellPort, '127.0.0.1');
  filer.write(wellData.subarray(0, 1_000_000));

  const dyingSocket = net.connect(await listening(dying, 1), '127.0.0.1');
  dyingSocket.on('error', () => undefined);
  dyingSocket.write(randomData(400_000));
  const abortedSocket = net.connect(await listening(aborted, 2), '127.0.0.1');
  abortedSocket.on('error', () => undefined);
  abortedSocket.write(randomData(400_000));
  await Promise.all([dying.report('connected'), aborted.report('connected')]);
  dyingSocket.resetAndDestroy();
  expect((await dying.report('failed')).failure.status).toBe('socketReadFailed');
  aborted.process.send({ type: 'abort', reason: 'cancelled' });
  expect((await aborted.report('failed')).failure.status).toBe('interrupted');

  await sendAll(await listening(lying, 3), randomData(100_000));
  lying.process.send({ type: 'finish', expectedBytes: 100_001n, env: [] });
  expect((await lying.report('failed')).failure.status).toBe('earlyEof');

  const lateData = randomData(500_000);
  await backUp(late, 5, lateData);
  filer.end(wellData.subarray(1_000_000));
  well.process.send({ type: 'finish', expectedBytes: 3_000_000n, env: [] });
  await well.report('finished');
  await shared.leave();
  expect((await restore(4, fragmentsOf(well))).equals(wellData)).toBe(true);
  expect((await restore(5, fragmentsOf(late))).equals(lateData)).toBe(true);
});

test('killed while streams share it, it leaves what was acknowledged, and the next writer goes on there', async () => {
  const shared = watchShared(await pool.takeShared());
  const [first, second] = [shared.member(1), shared.member(2)];
  const data = randomData(600_000);
  const socket = net.connect(await listening(second, 2), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(randomData(700_000));
  await backUp(first, 1, data);
  const { append } = closedOf(first).at(-1)!;
  process.kill(second.process.pid, 'SIGKILL');
  expect(await second.exited).toBe('signal SIGKILL');
  const owner = { grantId: 'g9', epoch: 9n };
  const next = randomData(200_000);
  const [closed] = await writeImage(
    pool,
    writeOrder(library, { owner, volume: volume(append) }),
    next,
  );
  expect(closed?.fragment.fileNumber).toBe(append.fileNumber);
  expect((await restore(1, fragmentsOf(first))).equals(data)).toBe(true);
});

test('a lease that is not renewed ends its stream, not the one beside it', async () => {
  const shared = watchShared(await pool.takeShared());
  const [short, long] = [shared.member(1), shared.member(2)];
  short.process.send({ type: 'start', order: { ...order(1), leaseMs: 300 } });
  const data = randomData(100_000);
  const port = await listening(long, 2);
  expect((await short.report('failed')).failure.status).toBe('staleGrant');
  await sendAll(port, data);
  long.process.send({ type: 'finish', expectedBytes: 100_000n, env: [] });
  await long.report('finished');
  await shared.leave();
});

test('a drive that cannot be opened fails every stream', async () => {
  const shared = watchShared(await pool.takeShared());
  const streams = [shared.member(1), shared.member(2)];
  for (const [i, stream] of streams.entries()) {
    const wrong = { ...order(i), volume: { ...volume(), barcode: 'B00001L8' } };
    stream.process.send({ type: 'start', order: wrong });
  }
  for (const stream of streams) {
    expect((await stream.report('failed')).failure.status).toBe('wrongTape');
  }
  await shared.leave();
});
