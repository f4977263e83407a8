import { once } from 'node:events';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { type ListenSpec, listenForOne } from './listener.ts';

const HAS_IPV6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');

const spec = (change: Partial<ListenSpec>): ListenSpec => ({
  ...{ bindHost: '', firstPort: 0, lastPort: 0, peers: ['127.0.0.1'], acceptTimeoutMs: 60_000 },
  ...change,
});

test.each([
  ['127.0.0.1', '127.0.0.1', '127.0.0.1', true],
  // A socket of both families tells an IPv4 address as ::ffff:127.0.0.1.
  ['', '127.0.0.1', '127.0.0.1', true],
  ['::', '127.0.0.1', '::ffff:7f00:1', HAS_IPV6],
  ['::1', '::1', '[0:0::1]', HAS_IPV6],
])('listening on "%s" it takes %s, allowed as %s', async (bindHost, from, peer, isPossible) => {
  if (!isPossible) return;
  const listening = await listenForOne(spec({ bindHost, peers: [peer] }), (address) => {
    throw new Error(`${address} was refused`);
  });
  const filer = net.connect(listening.port, from);
  const socket = await listening.connection;
  filer.end('data');
  const [data] = (await once(socket.resume(), 'data')) as [Buffer];
  expect(data.toString()).toBe('data');
  socket.destroy();
});

test('a stranger is told by its plain address and cut off; the filer may still come', async () => {
  const strangers: string[] = [];
  const peers = ['192.0.2.1'];
  const listening = await listenForOne(spec({ peers }), (address) => strangers.push(address));
  const stranger = net.connect(listening.port, '127.0.0.1');
  const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  expect(strangers).toEqual(['127.0.0.1']);
  listening.close();
  await expect(listening.connection).rejects.toMatchObject({ status: 'interrupted' });
});

test('nobody comes in time: 41', async () => {
  const listening = await listenForOne(spec({ acceptTimeoutMs: 1 }), () => undefined);
  await expect(listening.connection).rejects.toMatchObject({ status: 'connectTimedOut' });
});
