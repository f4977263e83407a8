// The mover's data connections on loopback: both ways of making them, the two ends, and back-pressure.

import { connect, type Socket } from 'node:net';
import { ADDR_TYPE, type ByteStream, NDMP_ERROR, type NdmpAddress } from '@tapestry/ndmp';
import { expect, test } from 'vitest';
import { MoverStreams } from './mover-streams.ts';

const portOf = (address: NdmpAddress): number =>
  address.type === 'tcp' ? (address.endpoints[0]?.port ?? 0) : 0;

function streams(onLocalDial: (path: string) => void = () => {}): MoverStreams {
  return new MoverStreams({
    hosts: { ipv4: '127.0.0.1', ipv6: undefined },
    onLocalDial,
    onMoved: () => {},
  });
}

async function pair(): Promise<{ mover: ByteStream; peer: Socket }> {
  const { listener } = await streams().listen(ADDR_TYPE.tcp);
  if (listener === undefined) throw new Error('no listener');
  const peer = connect({ port: portOf(listener.address), host: '127.0.0.1', allowHalfOpen: true });
  peer.on('error', () => {});
  const { stream } = await listener.accepted;
  return { mover: stream, peer };
}

async function readAll(stream: ByteStream, sizeBytesMax: number): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = await stream.read(sizeBytesMax);
    if (chunk === undefined) return chunks;
    chunks.push(Buffer.from(chunk));
  }
}

test('reads in pieces of at most what is asked for, to the end', async () => {
  const { mover, peer } = await pair();
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
  peer.end(sent);
  const chunks = await readAll(mover, 700);
  expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(700);
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  expect(await mover.peerEnd).toBe('closed');
  expect(await mover.read(10)).toBeUndefined();
  mover.destroy();
});

test('a peer that closes in order is noticed while nobody reads', async () => {
  const { mover, peer } = await pair();
  peer.end();
  expect(await mover.peerEnd).toBe('closed');
  mover.destroy();
});

test('bytes that wait keep the end back until they are read', async () => {
  const { mover, peer } = await pair();
  peer.end('last words');
  let ended = false;
  void mover.peerEnd.then(() => {
    ended = true;
  });
  expect((await mover.read(4))?.toString()).toBe('last');
  expect(ended).toBe(false);
  expect(Buffer.concat(await readAll(mover, 100)).toString()).toBe(' words');
  mover.destroy();
});

test('a broken connection rejects reads and writes', async () => {
  const { mover, peer } = await pair();
  const reading = mover.read(10);
  peer.resetAndDestroy();
  await expect(reading).rejects.toThrow('broke');
  expect(await mover.peerEnd).toBe('broken');
  await expect(mover.write(Buffer.from('x'))).rejects.toThrow();
});

test('destroy rejects what waits', async () => {
  const { mover } = await pair();
  const reading = mover.read(10);
  mover.destroy();
  mover.destroy();
  await expect(reading).rejects.toThrow('broke');
});

test('a write waits for a peer that does not read, and end sends everything', async () => {
  const { mover, peer } = await pair();
  peer.pause();
  const total = 32 * 1024 * 1024;
  let isSent = false;
  const writing = mover.write(Buffer.alloc(total, 7)).then(() => {
    isSent = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isSent).toBe(false);
  let received = 0;
  peer.on('data', (chunk) => {
    received += chunk.length;
  });
  const gone = new Promise<void>((resolve) => peer.once('end', () => resolve()));
  peer.resume();
  await writing;
  await mover.end();
  await gone;
  expect(received).toBe(total);
  peer.end();
});

test('dials the first end point that answers', async () => {
  const { listener } = await streams().listen(ADDR_TYPE.tcp);
  if (listener === undefined) throw new Error('no listener');
  const endpoints = [
    { host: '127.0.0.1', port: 1, env: [] },
    { host: '127.0.0.1', port: portOf(listener.address), env: [] },
  ];
  const dialled = await streams().dial({ type: 'tcp', endpoints });
  expect(dialled.peer).toEqual({ type: 'tcp', endpoints: endpoints.slice(1) });
  (await listener.accepted).stream.destroy();
  dialled.stream?.destroy();
  const nobody = await streams().dial({ type: 'tcp', endpoints: endpoints.slice(0, 1) });
  expect(nobody.error).toBe(NDMP_ERROR.connect);
});

test('takes one connection, and none after it was closed', async () => {
  const { listener } = await streams().listen(ADDR_TYPE.tcp);
  if (listener === undefined) throw new Error('no listener');
  listener.close();
  await expect(listener.accepted).rejects.toThrow('closed');
  expect((await streams().listen(ADDR_TYPE.ipc)).error).toBe(NDMP_ERROR.illegalArgs);
});

test('LOCAL: the DATA service finds the listening mover, or is sent to the dialling one', async () => {
  const listening = streams();
  const { listener } = await listening.listen(ADDR_TYPE.local);
  expect(listener?.address).toEqual({ type: 'local' });
  const data = connect({ path: listening.localPath as string });
  const one = await listener?.accepted;
  data.end('hello');
  expect((await one?.stream.read(10))?.toString()).toBe('hello');
  expect(listening.localPath).toBeUndefined();
  one?.stream.destroy();

  const dialling = streams((path) => connect({ path }).end('hello'));
  const { stream, peer } = await dialling.dial({ type: 'local' });
  expect(peer).toEqual({ type: 'local' });
  expect((await stream?.read(10))?.toString()).toBe('hello');
  stream?.destroy();
});
