import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import { NdmpClient } from './client.ts';
import type { NdmpHandlers, NdmpTransport } from './client-connection.ts';
import { NDMP_ERROR } from './constants.ts';
import { encodeHeaderError, encodePost, encodeReply, type Stamp, splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { messagesOf, type RequestName } from './messages.ts';
import { type NdmpError, toStatusError } from './ndmp-error.ts';
import { XdrReader } from './xdr.ts';

interface Asked {
  name: RequestName;
  sequence: number;
  body: Record<string, unknown>;
}

/** A server written by the test: it sees each request and sends what it likes. */
function stage(handlers: NdmpHandlers, onRequest: (asked: Asked, send: Send) => void) {
  let toClient: (chunk: Buffer) => void = () => {};
  let closeClient: (error?: Error) => void = () => {};
  let isClosed = false;
  const framer = new RecordFramer(1 << 20);
  const send: Send = (bytes) => queueMicrotask(() => toClient(bytes));
  const transport: NdmpTransport = {
    write: (bytes) =>
      framer.push(Buffer.from(bytes), (record) => {
        const { header, body } = splitRecord(record);
        const row = messagesOf(4).byCode(header.code);
        if (row?.kind !== 'request') throw new Error('the client sent no request');
        const decoded = row.request.decode(new XdrReader(body)) as Record<string, unknown>;
        onRequest({ name: row.name, sequence: header.sequence, body: decoded }, send);
      }),
    onData: (handler) => {
      toClient = handler;
    },
    onClose: (handler) => {
      closeClient = handler;
    },
    close: () => {
      isClosed = true;
    },
  };
  const client = new NdmpClient({ transport, handlers, callTimeoutMs: 5000 });
  return { client, send, drop: (e?: Error) => closeClient(e), isClosed: () => isClosed };
}

type Send = (bytes: Buffer) => void;

const stamp: Stamp = { version: 4, sequence: 1, timeStamp: 1 };
const greeting = (version: number, reason = 0): Buffer =>
  encodePost(stamp, 'notifyConnectionStatus', { reason, version, text: 'hi' });

test('connectOpen goes down to v2, whichever way a version is refused', async () => {
  const tried: unknown[] = [];
  const { client, send } = stage({}, ({ sequence, body }, reply) => {
    tried.push(body.version);
    const { illegalArgs, notSupported } = NDMP_ERROR;
    if (body.version === 4)
      reply(encodeReply(stamp, 'connectOpen', sequence, { error: illegalArgs }));
    else if (body.version === 3) reply(encodeHeaderError(stamp, 0x900, sequence, notSupported));
    else reply(encodeReply(stamp, 'connectOpen', sequence, { error: 0 }));
  });
  send(greeting(5));
  expect(await client.connectOpen()).toMatchObject({ version: 2 });
  expect([tried, client.version]).toEqual([[4, 3, 2], 2]);
});

test('connectOpen waits for the greeting and goes down on refusal', async () => {
  const seen: unknown[] = [];
  const { client, send } = stage({}, ({ name, sequence, body }, reply) => {
    seen.push([name, body]);
    const error = body.version === 4 ? NDMP_ERROR.illegalArgs : 0;
    reply(encodeReply(stamp, 'connectOpen', sequence, { error }));
  });
  send(greeting(4));
  expect(await client.connectOpen()).toEqual({ version: 3, text: 'hi' });
  expect(seen).toEqual([
    ['connectOpen', { version: 4 }],
    ['connectOpen', { version: 3 }],
  ]);
});

test('a server that refuses connections is told apart from one that fails', async () => {
  const { client, send } = stage({}, () => {});
  send(greeting(4, 2));
  await expect(client.connectOpen()).rejects.toMatchObject({ failure: 'refused' });
});

test('MD5 answers the challenge that was given, and a wrong one is a refusal', async () => {
  const challenge = Buffer.from(Array.from({ length: 64 }, (_, i) => i));
  const { client } = stage({}, ({ name, sequence, body }, reply) => {
    if (name === 'configGetAuthAttr') {
      const attr = { authType: 2, challenge };
      return reply(encodeReply(stamp, 'configGetAuthAttr', sequence, { error: 0, attr }));
    }
    const { digest } = body.auth as { digest: Buffer };
    const error = digest.equals(md5Answer('right', challenge)) ? 0 : NDMP_ERROR.notAuthorized;
    reply(encodeReply(stamp, 'connectClientAuth', sequence, { error }));
  });
  await client.authMd5('ndmp', 'right');
  const wrong = await client.authMd5('ndmp', 'wrong').catch((error: unknown) => error);
  expect(wrong).toMatchObject({ failure: 'refused', error: NDMP_ERROR.notAuthorized });
  expect(toStatusError(wrong as NdmpError).status).toBe('authenticationFailed');
});

test('replies are matched by sequence, posts in between reach the handlers first', async () => {
  const heard: string[] = [];
  const asked: Asked[] = [];
  const { client, send } = stage(
    { onLogMessage: (m) => heard.push(m.entry), onNotify: (n) => heard.push(n.name) },
    (request) => asked.push(request),
  );
  const stopped = client.stop().then(() => heard.push('stop'));
  const aborted = client.abort().then(() => heard.push('abort'));
  const log = { logType: 0, messageId: 1, hasAssociatedMessage: 0, associatedSequence: 0 };
  const [stop, abort] = asked;
  send(encodePost(stamp, 'logMessage', { ...log, entry: 'working' }));
  send(encodeReply(stamp, 'dataAbort', abort!.sequence, { error: 0 }));
  await aborted;
  send(encodePost(stamp, 'notifyDataHalted', { reason: 2, text: '' }));
  send(encodeReply(stamp, 'dataStop', stop!.sequence, { error: 0 }));
  await stopped;
  expect(heard).toEqual(['working', 'abort', 'notifyDataHalted', 'stop']);
});

test('header errors, late replies, deadlines and signals', async () => {
  const asked: Asked[] = [];
  const { client, send } = stage({}, (request, reply) => {
    asked.push(request);
    if (request.name === 'dataGetEnv') {
      reply(encodeHeaderError(stamp, 0x404, request.sequence, NDMP_ERROR.illegalState));
    }
  });
  await expect(client.getEnv()).rejects.toMatchObject({ error: NDMP_ERROR.illegalState });
  await expect(client.stop({ timeoutMs: 5 })).rejects.toMatchObject({ failure: 'timedOut' });
  const stopper = new AbortController();
  const pending = client.abort({ signal: stopper.signal });
  stopper.abort();
  await expect(pending).rejects.toMatchObject({ failure: 'cancelled' });
  for (const late of asked) send(encodeReply(stamp, 'dataStop', late.sequence, { error: 0 }));
  await pause(1);
  expect(client.isClosed).toBe(false);
});

test('the end of the connection ends every call, and later calls at once', async () => {
  const closings: NdmpError[] = [];
  const { client, drop } = stage({ onClose: (error) => closings.push(error) }, () => {});
  const calls = [client.getState(), client.getEnv(), client.connectOpen()];
  drop(new Error('reset'));
  const outcomes = await Promise.allSettled([...calls, client.stop()]);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { failure: 'closed' } });
  }
  expect(closings).toHaveLength(1);
});

test('a broken stream closes the connection as a protocol failure', async () => {
  const stageRun = stage({}, () => {});
  const call = stageRun.client.getState();
  stageRun.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await expect(call).rejects.toMatchObject({ failure: 'protocol' });
  expect(stageRun.isClosed()).toBe(true);
});

test('a reply that does not decode fails its call alone', async () => {
  const { client } = stage({}, ({ name, sequence }, reply) => {
    const whole = encodeReply(stamp, 'dataStop', sequence, { error: 0 });
    if (name === 'dataStop') return reply(whole);
    whole.writeUInt32BE(0x400, 4 + 12);
    reply(whole);
  });
  await expect(client.getState()).rejects.toMatchObject({ failure: 'protocol' });
  await client.stop();
});
