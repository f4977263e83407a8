// What the control connection does with bytes that no DMA should send: it answers where it can, closes
// where it cannot, and never takes the server along.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import {
  encodeRequest,
  NDMP_ERROR,
  type RawMessage,
  RecordFramer,
  splitRecord,
} from '@tapestry/ndmp';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Dma, makeWorkspace, startServer } from './harness.ts';

const workspace = makeWorkspace();
let server: { address: string; close(): Promise<void> };

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
  const [host, port] = server.address.split(':') as [string, string];
  const socket = connect({ host, port: Number(port) });
  socket.on('error', () => {});
  const framer = new RecordFramer(1 << 20);
  const records: RawMessage[] = [];
  let wake = (): void => {};
  socket.on('data', (chunk) => {
    framer.push(chunk, (record) => records.push(splitRecord(record)));
    wake();
  });
  const ended = once(socket, 'close');
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

test('a record over the limit before log-in ends that connection only', async () => {
  const { socket, ended } = await dial();
  socket.write(Buffer.from('80100000', 'hex'));
  await ended;
  await isServing();
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
