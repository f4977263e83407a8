// A drive process that connects to a filer which listens: the same bytes both ways, and what a failed dial leaves.

import { once } from 'node:events';
import net from 'node:net';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { DrivePool } from '../src/adapters/drive-pool.ts';
import { TO_THE_END } from '../src/drive-process/session.ts';
import {
  type Library,
  makeLibrary,
  makePool,
  randomData,
  readOrder,
  sendAll,
  watch,
  writeOrder,
} from './drive-kit.ts';

const pool: DrivePool = makePool();
let library: Library;
let filer: net.Server | undefined;

beforeEach(async () => {
  library = await makeLibrary();
});
afterEach(() => {
  filer?.close();
  library.remove();
});
afterAll(() => pool.close());

/** A filer's data listener. */
async function listening(onSocket: (socket: net.Socket) => void): Promise<number> {
  filer = net.createServer((socket) => {
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  filer.listen(0, '127.0.0.1');
  await once(filer, 'listening');
  return (filer.address() as net.AddressInfo).port;
}

const dialTo = (port: number, sequence = 1, host = '127.0.0.1') =>
  ({ type: 'dial', sequence, addresses: [{ host, port }] }) as const;

async function startWriting() {
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order: writeOrder(library) });
  const { port } = await drive.report('listening');
  return { drive, ownPort: port };
}

test('what a listening filer sends comes back to a listening filer, byte for byte', async () => {
  const data = randomData(5_000_017);
  const { drive, ownPort } = await startWriting();
  const port = await listening((socket) => socket.end(data));
  drive.process.send(dialTo(port));
  expect(await drive.report('connected')).toMatchObject({
    by: 'us',
    peer: `127.0.0.1 port ${port}`,
  });
  await expect(sendAll(ownPort, data)).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
  drive.process.send({ type: 'finish', expectedBytes: BigInt(data.length), env: [] });
  const { fragment } = await drive.report('fragmentClosed');
  await drive.exited;

  const received = Promise.withResolvers<Buffer>();
  const reading = await listening((socket) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => received.resolve(Buffer.concat(chunks)));
  });
  const reader = watch(await pool.take());
  reader.process.send({ type: 'start', order: readOrder(library, [fragment]) });
  await reader.report('listening');
  reader.process.send(dialTo(reading));
  reader.process.send({ type: 'range', sequence: 1, offset: 4_000_000n, length: 7n });
  reader.process.send({ type: 'range', sequence: 2, offset: 0n, length: TO_THE_END });
  const wanted = Buffer.concat([data.subarray(4_000_000, 4_000_007), data]);
  expect((await received.promise).equals(wanted)).toBe(true);
  reader.process.send({ type: 'finish', expectedBytes: 0n, env: [] });
  await reader.report('finished');
});

test('after a dial that fails the filer may still come, and the drive is free after the end', async () => {
  const { drive, ownPort } = await startWriting();
  const port = await listening(() => undefined);
  filer!.close();
  drive.process.send(dialTo(port));
  expect((await drive.report('dialFailed')).failure).toMatchObject({
    ...{ status: 'cannotConnectToClient', detail: expect.stringMatching(/refuses/) },
  });
  drive.process.send(dialTo(7, 2, '192.0.2.1'));
  expect((await drive.report('notDialled')).address).toBe('192.0.2.1 port 7');
  const data = randomData(100_000);
  await sendAll(ownPort, data);
  expect(await drive.report('connected')).toMatchObject({ by: 'filer' });
  drive.process.send({ type: 'finish', expectedBytes: 100_000n, env: [] });
  await drive.report('finished');
  expect(drive.reports.filter(({ type }) => type === 'dialFailed')).toHaveLength(2);
});

test('before it listens, and once it is connected, it dials nobody', async () => {
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order: writeOrder(library) });
  const asked: string[] = [];
  const port = await listening(() => asked.push('filer'));
  drive.process.send(dialTo(port, 1));
  expect((await drive.report('dialFailed')).failure.status).toBe('invalidRequest');
  const own = await drive.report('listening');
  const socket = net.connect(own.port, '127.0.0.1').on('error', () => undefined);
  await drive.report('connected');
  drive.process.send(dialTo(port, 2));
  drive.process.send({ type: 'abort', reason: 'test over' });
  await drive.exited;
  socket.destroy();
  const failures = drive.reports.filter((report) => report.type === 'dialFailed');
  expect(failures.map(({ sequence, failure }) => [sequence, failure.status])).toEqual([
    [1, 'invalidRequest'],
    [2, 'invalidRequest'],
  ]);
  expect(asked).toEqual([]);
});

test.each([
  ['in order', (socket: net.Socket) => socket.end(), 'earlyEof'],
  ['with a reset', (socket: net.Socket) => socket.resetAndDestroy(), 'socketReadFailed'],
])('a filer that closes at once %s leaves no fragment', async (_how, close, status) => {
  const { drive } = await startWriting();
  const taken = Promise.withResolvers<net.Socket>();
  drive.process.send(dialTo(await listening(taken.resolve)));
  await drive.report('connected');
  close(await taken.promise);
  drive.process.send({ type: 'finish', expectedBytes: 512n, env: [] });
  expect((await drive.report('failed')).failure.status).toBe(status);
  await drive.exited;
  expect(drive.reports.some(({ type }) => type === 'fragmentClosed')).toBe(false);
});

test('a stream that was aborted dials nobody, and its drive is free', async () => {
  const { drive } = await startWriting();
  const asked: string[] = [];
  const port = await listening(() => asked.push('filer'));
  drive.process.send({ type: 'abort', reason: 'test over' });
  drive.process.send(dialTo(port));
  expect((await drive.report('failed')).failure.status).toBe('interrupted');
  await drive.exited;
  expect(asked).toEqual([]);
  const next = watch(await pool.take());
  const owner = { grantId: 'g2', epoch: 2n };
  next.process.send({ type: 'start', order: writeOrder(library, { owner }) });
  await next.report('listening');
  next.process.send({ type: 'abort', reason: 'test over' });
  await next.exited;
});
