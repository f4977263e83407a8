// Recorded sessions in words, without their secrets; and played again, as a test of the server.

import { describe, expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import { NdmpClient } from './client.ts';
import { encodeHeaderError, encodePost, encodeReply, encodeRequest } from './envelope.ts';
import { connect, recorded } from './recorded-sessions.test-data.ts';
import { CHALLENGE } from './server-kit.test-data.ts';
import { SessionHarness } from './session-harness.test-data.ts';
import { type TraceChunk, TraceDecoder, traceLine, traceLines } from './trace.ts';
import { readTrace, TraceWriter } from './trace-file.ts';

const stamp = { version: 4 as const, sequence: 1, timeStamp: 1 };

test('a log-in shows neither password nor digest nor challenge', async () => {
  const { client, chunks, harness } = connect();
  await client.connectOpen();
  await client.authMd5('ndmp', 'secret');
  await client.authText('ndmp', 'secret');
  await client.dataConnect({ type: 'local' }).catch(() => undefined);
  await client
    .startBackup({
      butype: 'tar',
      env: [
        { name: 'FILESYSTEM', value: '/x' },
        { name: 'SMB_PASSWORD', value: 'secret' },
      ],
    })
    .catch(() => undefined);
  await harness.settle();
  const text = traceLines(chunks).join('\n');
  expect(text).toContain('connectClientAuth auth={type: "md5", user: "ndmp", digest: "(hidden)"}');
  expect(text).toContain('password: "(hidden)"');
  expect(text).toContain('challenge: "(hidden)"');
  expect(text).toContain('{name: "SMB_PASSWORD", value: "(hidden)"}');
  expect(text).toContain('{name: "FILESYSTEM", value: "/x"}');
  expect(text).not.toContain('"secret"');
  expect(text).not.toContain(CHALLENGE.toString('hex').slice(0, 16));
  expect(text).not.toContain(md5Answer('secret', CHALLENGE).toString('hex'));
});

test('messages are told in the words of the catalogue', async () => {
  const { stage } = await recorded('backupAndRecover', 4);
  const lines = traceLines(stage.chunks);
  expect(lines[0]).toBe('1 server! notifyConnectionStatus reason=0 version=4 text=""');
  expect(lines[1]).toBe('1 dma> connectOpen version=4');
  expect(lines[2]).toBe('2 server< connectOpen to 1: noError');
  expect(lines).toContainEqual(expect.stringMatching(/dataGetState to 2: notAuthorized/));
  expect(lines).toContainEqual(expect.stringMatching(/tapeOpen device="nst0" mode=1/));
  expect(lines).toContainEqual(expect.stringMatching(/notifyMoverHalted reason=1/));
});

describe.each([2, 3, 4] as const)('v%i', (version) => {
  test('every message is found, in any cut of the stream', async () => {
    const { stage } = await recorded('inventory', version);
    const whole = traceLines(stage.chunks);
    const cut = stage.chunks.flatMap(({ from, bytes }): TraceChunk[] =>
      [...bytes].map((byte) => ({ from, bytes: Buffer.of(byte) })),
    );
    expect(traceLines(cut)).toEqual(whole);
    expect(whole.filter((line) => line.includes('does not decode'))).toEqual([]);
    const decoder = new TraceDecoder();
    for (const chunk of stage.chunks) decoder.push(chunk);
    expect(decoder.version).toBe(version);
  });

  test('a recorded session played to a new server gets the recorded answers', async () => {
    const { stage } = await recorded('nonsense', version);
    const replay = connect({ versionMax: version });
    for (const { from, bytes } of stage.chunks) {
      if (from === 'dma') replay.harness.session.receive(Buffer.from(bytes));
      await replay.harness.settle();
    }
    const answers = (chunks: readonly TraceChunk[]): string[] =>
      traceLines(chunks.filter(({ from }) => from === 'server'));
    expect(answers(replay.chunks)).toEqual(answers(stage.chunks));
  });
});

describe('a session on file', () => {
  async function onFile(): Promise<string> {
    const { client, chunks, harness } = connect();
    await client.connectOpen();
    await client.authMd5('ndmp', 'secret');
    await client.authText('ndmp', 'secret');
    await client.call('connectServerAuth', { attr: { authType: 2, challenge: CHALLENGE } });
    await client.call('connectServerAuth', { attr: { authType: 1 } });
    await client.dataListen(1);
    harness.session.feed({ type: 'peerConnected', address: { type: 'local' } });
    const env = [{ name: 'AWS_SECRET', value: 'secret' }];
    const token = [{ name: 'TOKEN', value: 'secret' }];
    const endpoints = [{ host: '10.0.0.1', port: 9, env: token }];
    harness.session.feed({ type: 'ended', reason: 4, env: [] });
    await client.stop();
    const { startBackup, startRecover, startRecoverHistory } = NdmpClient.prototype;
    for (const start of [startBackup, startRecover, startRecoverHistory]) {
      await client.dataConnect({ type: 'tcp', endpoints });
      await start.call(client, { butype: 'tar', env, names: [] });
      await client.getEnv();
      await client.abort();
      await client.stop();
    }
    client.close();
    await harness.settle();
    const writer = new TraceWriter();
    return chunks.flatMap((chunk) => writer.push(chunk)).join('\n');
  }

  test('keeps every message and no secret', async () => {
    const text = await onFile();
    const chunks = readTrace(`# a comment\n${text}\n`);
    const said = traceLines(chunks).join('\n');
    expect(said).toContain('dataGetEnv to ');
    expect(said).toContain('AWS_SECRET');
    expect(said).not.toContain('does not decode');
    const bytes = Buffer.concat(chunks.map((chunk) => chunk.bytes));
    expect(bytes.includes('secret')).toBe(false);
    expect(bytes.includes(CHALLENGE)).toBe(false);
    expect(bytes.includes(md5Answer('secret', CHALLENGE))).toBe(false);
    const again = new TraceWriter();
    expect(chunks.flatMap((chunk) => again.push(chunk)).join('\n')).toBe(text);
  });

  test('is played to a server that takes stars for a password', async () => {
    const chunks = readTrace(await onFile());
    const harness = new SessionHarness({ password: '******' });
    harness.session.greet();
    for (const { from, bytes } of chunks) {
      if (from === 'dma') harness.session.receive(bytes);
      await harness.settle();
    }
    expect(harness.performed).toContain('listen');
    expect(harness.session.state.phase).toBe('closing');
  });

  test('what does not decode is blanked', () => {
    const broken = encodeRequest(stamp, 'connectClientAuth', {
      auth: { type: 'text', user: 'ndmp', password: 'secret' },
    }).subarray(0, 48);
    broken.writeUInt32BE(0x8000_0000 + 44, 0);
    const [line] = new TraceWriter().push({ from: 'dma', bytes: broken });
    expect(line).toMatch(/0{40}$/);
  });
});

test('what the catalogue does not have keeps its number, and what is broken is told', () => {
  const unknown = encodeHeaderError(stamp, 0x2050_0001, 9, 1);
  const cut = encodeRequest(stamp, 'tapeOpen', { device: 'nst0', mode: 1 }).subarray(0, 34);
  cut.writeUInt32BE(0x8000_001e, 0);
  const bulk = encodeRequest(stamp, 'tapeWrite', { data: Buffer.alloc(512) });
  const history = encodePost(stamp, 'fhAddDir', [{ name: Buffer.from('a'), node: 1n, parent: 2n }]);
  const late = encodeReply(stamp, 'dataStop', 77, { error: 0 });
  const lines = traceLines([
    { from: 'server', bytes: unknown },
    { from: 'dma', bytes: cut },
    { from: 'dma', bytes: bulk },
    { from: 'server', bytes: history },
    { from: 'server', bytes: late },
    { from: 'dma', bytes: Buffer.from('8000000401020304', 'hex') },
  ]);
  expect(lines).toEqual([
    '1 server< 0x20500001 (proprietary NetApp) to 9: notSupported',
    '1 dma> tapeOpen does not decode',
    '1 dma> tapeWrite data=<512 bytes>',
    '1 server! fhAddDir entries=[{name: <61>, node: 1, parent: 2}]',
    '1 server< dataStop to 77: noError',
    '0 dma> too short does not decode',
  ]);
  const [traced] = new TraceDecoder().push({ from: 'dma', bytes: bulk });
  expect(traced?.fields.data).toHaveLength(512);
  expect(
    traceLine({
      from: 'dma',
      kind: 'request',
      name: 'x',
      sequence: 1,
      replySequence: 0,
      error: 0,
      fields: { list: Array.from({ length: 9 }, (_, i) => i) },
    }),
  ).toBe('1 dma> x list=[0, 1, 2, 3, 4, 5, 6, 7, 1 more]');
});
