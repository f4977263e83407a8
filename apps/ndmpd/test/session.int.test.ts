// What the control connection does with bytes that no DMA should send: it answers where it can, closes
// where it cannot, and never takes the server along.

import { mkdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import {
  encodeRequest,
  NDMP_ERROR,
  type RawMessage,
  RecordFramer,
  splitRecord,
} from '@tapestry/ndmp';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Dma, dialServer, makeWorkspace, type RunningServer, startServer } from './harness.ts';

const workspace = makeWorkspace();
let server: RunningServer;

beforeAll(async () => {
  mkdirSync(workspace.file('data'));
  server = await startServer(workspace, { home: workspace.file('data') });
});

afterAll(async () => {
  await server.close();
  workspace.remove();
});

const stamp = { version: 4 as const, sequence: 1, timeStamp: 0 };

/** A bare connection: records in as they come. */
async function dial(): Promise<{
  socket: Socket;
  next(): Promise<RawMessage>;
  ended: Promise<unknown>;
}> {
  const socket = dialServer(server.address);
  socket.on('error', () => {});
  const framer = new RecordFramer(1 << 20);
  const records: RawMessage[] = [];
  let wake = (): void => {};
  socket.on('data', (chunk) => {
    framer.push(chunk, (record) => records.push(splitRecord(record)));
    wake();
  });
  const ended = new Promise((resolve) => socket.once('close', resolve));
  const next = async (): Promise<RawMessage> => {
    while (records.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return records.shift() as RawMessage;
  };
  await next(); // the greeting
  return { socket, next, ended };
}

async function isServing(): Promise<void> {
  const dma = await Dma.login(server.address);
  expect((await dma.client.getServerInfo()).product).toBe('Tapestry ndmpd');
  dma.client.close();
}

test('unknown codes and bodies that do not decode are answered in the header', async () => {
  const { socket, next } = await dial();
  const unknown = encodeRequest(stamp, 'dataGetState', {});
  unknown.writeUInt32BE(0x7777, 4 + 12);
  socket.write(unknown);
  expect((await next()).header).toMatchObject({
    error: NDMP_ERROR.notSupported,
    replySequence: 1,
  });
  const cut = encodeRequest({ ...stamp, sequence: 2 }, 'connectOpen', { version: 4 });
  cut.writeUInt32BE(0x8000_0018, 0);
  socket.write(cut.subarray(0, 28));
  expect((await next()).header).toMatchObject({ error: NDMP_ERROR.xdrDecode, replySequence: 2 });
  socket.write(encodeRequest({ ...stamp, sequence: 3 }, 'connectOpen', { version: 4 }));
  expect((await next()).header).toMatchObject({ error: 0, replySequence: 3 });
  socket.destroy();
});

test('requests that are sent all at once are answered in order', async () => {
  const { socket, next } = await dial();
  const count = 300;
  const all = Array.from({ length: count }, (_, i) =>
    encodeRequest({ ...stamp, sequence: i + 1 }, 'configGetServerInfo', {}),
  );
  socket.write(Buffer.concat(all));
  for (let i = 1; i <= count; i += 1) expect((await next()).header.replySequence).toBe(i);
  socket.destroy();
});

test('posts and replies from a DMA, and records too short for a header, are ignored', async () => {
  const { socket, next } = await dial();
  const post = encodeRequest(stamp, 'dataGetState', {});
  post.writeUInt32BE(0x501, 4 + 12);
  const reply = encodeRequest(stamp, 'dataGetState', {});
  reply.writeUInt32BE(1, 4 + 8);
  const short = Buffer.from('80000004deadbeef', 'hex');
  const real = encodeRequest({ ...stamp, sequence: 9 }, 'connectOpen', { version: 4 });
  socket.write(Buffer.concat([post, reply, short, real]));
  expect((await next()).header.replySequence).toBe(9);
  socket.destroy();
});

/** What the operator heard since the last time. */
function heard(): string[] {
  const texts = server.events.slice(known).map(({ peer, text }) => `${peer} ${text}`);
  known = server.events.length;
  return texts;
}
let known = 0;

test('a record over the limit before log-in ends that connection only, with a line in the log', async () => {
  heard();
  const { socket, ended } = await dial();
  socket.write(Buffer.from('80100000', 'hex'));
  await ended;
  await isServing();
  expect(heard()).toEqual([
    '127.0.0.1 the session was ended: record of 1048576 bytes, limit 65536',
  ]);
});

test.each([
  ['cut off', 'too many messages that do not decode', (i: number) => [i, 28]],
  ['replayed', 'too many messages out of order', () => [1, 32]],
  ['too short', 'too many records too short for a header', (i: number) => [i, 12]],
])(
  'messages that are %s end that session alone, with a line in the log',
  async (_how, why, cut) => {
    heard();
    const { socket, ended } = await dial();
    socket.resume();
    for (let i = 1; i <= 20; i += 1) {
      const [sequence = 0, bytes = 0] = cut(i);
      const request = encodeRequest({ ...stamp, sequence }, 'connectOpen', { version: 4 });
      request.writeUInt32BE(0x8000_0000 + bytes - 4, 0);
      socket.write(request.subarray(0, bytes));
    }
    await ended;
    await isServing();
    expect(heard()).toEqual([`127.0.0.1 the session was ended: ${why}`]);
  },
);

test('wrong passwords are told to the operator, and so is the end of who tries too many', async () => {
  heard();
  const dma = new Dma(server.address);
  await dma.client.connectOpen();
  for (let i = 1; i <= 5; i += 1) {
    await expect(dma.client.authMd5('root', 'guess')).rejects.toThrow();
  }
  await expect.poll(() => server.events.length - known, { timeout: 30_000 }).toBe(5);
  expect(heard()).toEqual([
    ...[1, 2, 3, 4].map((i) => `127.0.0.1 log-in refused, ${i} in this session`),
    '127.0.0.1 the session was ended: too many log-ins were refused',
  ]);
  dma.client.close();
});

test('a DMA that does not read gets no more replies than its connection holds, and none is lost', async () => {
  heard();
  const { socket, next } = await dial();
  socket.pause();
  const count = 200_000;
  const ask = (sequence: number) =>
    encodeRequest({ ...stamp, sequence }, 'configGetAuthAttr', { authType: 2 });
  const all = Buffer.concat(Array.from({ length: count }, (_, i) => ask(i + 1)));
  // 20 MB of replies: more than the buffers of both sockets, and less than the server would hold without a limit.
  socket.write(all);
  await expect.poll(() => socket.bytesWritten, { timeout: 30_000 }).toBeGreaterThan(0);
  let before = -1;
  while (before !== socket.writableLength) {
    before = socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(socket.writableLength).toBeGreaterThan(0);
  await isServing();
  socket.resume();
  for (let i = 1; i <= count; i += 1) {
    if ((await next()).header.replySequence !== i) throw new Error(`no reply to ${i}`);
  }
  socket.destroy();
  expect(heard()).toEqual([]);
});

test('no stream of bytes stops the server', async () => {
  const known = [0x100, 0x102, 0x103, 0x108, 0x400, 0x401, 0x402, 0x409, 0x40a, 0x900, 0x901];
  const message = fc
    .tuple(fc.constantFrom(...known), fc.uint8Array({ maxLength: 80 }))
    .map(([code, body]) => {
      const header = Buffer.alloc(28);
      header.writeUInt32BE((0x8000_0000 | (24 + body.length)) >>> 0, 0);
      header.writeUInt32BE(code, 16);
      return Buffer.concat([header, body]);
    });
  const garbage = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
  const stream = fc.array(fc.oneof({ weight: 4, arbitrary: message }, garbage), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(stream, async (parts) => {
      const { socket, ended } = await dial();
      socket.end(Buffer.concat(parts));
      socket.resume();
      await ended;
    }),
    { numRuns: 60 },
  );
  await isServing();
});
