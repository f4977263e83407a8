import { once } from 'node:events';
import net from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Address } from '@tapestry/contracts';
import { afterEach, expect, test } from 'vitest';
import { type DialSpec, dialFirst } from './dialler.ts';

const HERE = '127.0.0.1';
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A filer that listens. */
async function listener(onSocket: (socket: net.Socket) => void): Promise<Address> {
  const server = net.createServer((socket) => {
    cleanups.push(() => socket.destroy());
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(0, HERE);
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return { host: HERE, port: (server.address() as net.AddressInfo).port };
}

/** A port at which nobody listens any more. */
async function closedPort(): Promise<Address> {
  const server = net.createServer().listen(0, HERE);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return { host: HERE, port };
}

const SLEEPER = `
  const { parentPort } = require('node:worker_threads');
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '${HERE}', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

/** A port that takes no more connections, and says nothing: its owner sleeps, its queue is full. */
async function deafPort(): Promise<Address> {
  const worker = new Worker(SLEEPER, { eval: true });
  cleanups.push(() => worker.terminate());
  const [port] = (await once(worker, 'message')) as [number];
  const fillers = Array.from({ length: 4 }, () => net.connect(port, HERE));
  for (const filler of fillers) {
    filler.on('error', () => undefined);
    cleanups.push(() => filler.destroy());
  }
  await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, 'connect')));
  return { host: HERE, port };
}

const never = new AbortController().signal;
function dial(
  addresses: readonly Address[],
  more: Partial<DialSpec> = {},
  skipped: Address[] = [],
) {
  const spec = { addresses, peers: [HERE], dialTimeoutMs: 20_000, signal: never, ...more };
  return dialFirst(spec, (address) => skipped.push(address));
}

test('what the filer sends at once waits until somebody reads', async () => {
  const filer = await listener((socket) => socket.end('at once'));
  const socket = await dial([filer]);
  expect(socket.isPaused()).toBe(true);
  const [data] = (await once(socket.resume(), 'data')) as [Buffer];
  expect(data.toString()).toBe('at once');
});

test('the addresses are tried in their order, and the first that answers is taken', async () => {
  const asked: string[] = [];
  const first = await listener(() => asked.push('first'));
  const second = await listener(() => asked.push('second'));
  const socket = await dial([await closedPort(), first, second]);
  expect(socket.remotePort).toBe(first.port);
  socket.destroy();
  expect(asked).not.toContain('second');
});

test('a port that refuses and one that is deaf are told apart: 58 with what to look at', async () => {
  const refusing = await closedPort();
  const deaf = await deafPort();
  await expect(dial([deaf, refusing], { dialTimeoutMs: 300 })).rejects.toMatchObject({
    status: 'cannotConnectToClient',
    detail: expect.stringMatching(
      new RegExp(`port ${deaf.port} does not answer; .*port ${refusing.port} refuses: .*firewall`),
    ),
  });
});

test.each([
  ['no address of the host', [HERE], [{ host: '192.0.2.1', port: 7 }]],
  ['any address, as some servers say', [HERE], [{ host: '0.0.0.0', port: 7 }]],
  ['a name', ['localhost'], [{ host: 'localhost', port: 7 }]],
  ['no port', [HERE], [{ host: HERE, port: 0 }]],
  ['nothing', [HERE], []],
  ['an address of a host that is not known', [], [{ host: HERE, port: 7 }]],
])('%s is not dialled: 46', async (_what, peers, addresses) => {
  const skipped: Address[] = [];
  await expect(dial(addresses, { peers }, skipped)).rejects.toMatchObject({
    status: 'accessNotAllowed',
    detail: expect.stringMatching(/nothing was dialled.*BPTM_EXTRA_PEERS/),
  });
  expect(skipped).toEqual(addresses);
});

test('a strange address among good ones is left out, and told', async () => {
  const filer = await listener(() => undefined);
  const strange = { host: '192.0.2.1', port: filer.port };
  const skipped: Address[] = [];
  const socket = await dial([strange, filer], {}, skipped);
  expect(socket.remotePort).toBe(filer.port);
  expect(skipped).toEqual([strange]);
  socket.destroy();
});

test('ended from outside it closes what it began, and tries no further address', async () => {
  const asked: string[] = [];
  const second = await listener(() => asked.push('second'));
  const ending = new AbortController();
  const dialling = dial([await deafPort(), second], { signal: ending.signal });
  ending.abort(new Error('the stream is over'));
  await expect(dialling).rejects.toThrow('the stream is over');
  expect(asked).toEqual([]);
});
