// The client against the server's machine in memory, over records cut into single bytes.

import { expect, test } from 'vitest';
import type { NdmpAddress } from './addresses.ts';
import { NdmpClient } from './client.ts';
import type { NdmpTransport, Notification } from './client-connection.ts';
import { ADDR_TYPE, DATA_HALT, DATA_STATE, NDMP_ERROR } from './constants.ts';
import { encodePost, encodeReply, splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { messagesOf, type NdmpVersion } from './messages.ts';
import { step } from './server-machine.ts';
import {
  type AnyRequest,
  type Effect,
  INITIAL_SERVER,
  type ServerEvent,
  type ServerFacts,
} from './server-state.ts';
import type { Pval } from './structures.ts';
import { XdrReader } from './xdr.ts';

const facts: ServerFacts = {
  user: 'ndmp',
  password: 'pw',
  allowText: true,
  addressTypes: [ADDR_TYPE.tcp],
  authFailuresMax: 5,
  newChallenge: () => Buffer.alloc(64, 3),
  bytesProcessed: () => 1024n,
};

/** A server whose effects succeed at once; the test ends operations by `feed`. */
class MemoryServer implements NdmpTransport {
  #state = INITIAL_SERVER;
  #sequence = 0;
  #toClient: (chunk: Buffer) => void = () => {};
  readonly #framer = new RecordFramer(1 << 20);

  greet(version: NdmpVersion): void {
    const body = { reason: 0, version, text: '' };
    this.#deliver(encodePost(this.#stamp(), 'notifyConnectionStatus', body));
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.#framer.push(Buffer.of(byte), (record) => this.#take(record));
  }

  onData(handler: (chunk: Buffer) => void): void {
    this.#toClient = handler;
  }

  onClose(): void {}
  close(): void {}

  feed(event: ServerEvent): void {
    const { state, effects } = step(this.#state, event, facts);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #take(record: Buffer): void {
    const { header, body } = splitRecord(record);
    const row = messagesOf(this.#state.version).byCode(header.code);
    if (row?.kind !== 'request') throw new Error('not a request');
    const decoded = row.request.decode(new XdrReader(body));
    const { sequence } = header;
    this.feed({ type: 'request', sequence, name: row.name, body: decoded } as AnyRequest);
  }

  #perform(effect: Effect): void {
    const address: NdmpAddress = {
      type: 'tcp',
      endpoints: [{ host: '127.0.0.1', port: 9, env: [] }],
    };
    switch (effect.do) {
      case 'reply':
        this.#deliver(
          encodeReply(this.#stamp(), effect.name, effect.sequence, effect.body as never),
        );
        break;
      case 'post':
        this.#deliver(encodePost(this.#stamp(), effect.name, effect.body as never));
        break;
      case 'listen':
        this.feed({ type: 'listening', address });
        break;
      case 'dial':
        this.feed({ type: 'dialled', address });
        break;
      case 'start':
        this.feed({ type: 'started', env: [...effect.env, { name: 'DUMP_DATE', value: '1' }] });
    }
  }

  #stamp() {
    this.#sequence += 1;
    return { version: this.#state.version, sequence: this.#sequence, timeStamp: 0 };
  }

  #deliver(bytes: Buffer): void {
    for (const byte of bytes) this.#toClient(Buffer.of(byte));
  }
}

test.each([4, 3] as const)('a whole session in v%i', async (version) => {
  const server = new MemoryServer();
  const heard: Notification[] = [];
  const handlers = { onNotify: (n: Notification) => heard.push(n) };
  const client = new NdmpClient({ transport: server, handlers });
  server.greet(version);
  expect((await client.connectOpen()).version).toBe(version);
  await expect(client.getState()).rejects.toMatchObject({ error: NDMP_ERROR.notAuthorized });
  await client.authMd5('ndmp', 'pw');
  const address = await client.dataListen(ADDR_TYPE.tcp);
  expect(address).toMatchObject({ endpoints: [{ host: '127.0.0.1', port: 9 }] });
  server.feed({ type: 'peerConnected', address });
  const env: Pval[] = [{ name: 'FILESYSTEM', value: '/x' }];
  await client.startBackup({ butype: 'tar', env });
  expect(await client.getState()).toMatchObject({
    state: DATA_STATE.active,
    bytesProcessed: 1024n,
  });
  const reason = DATA_HALT.successful;
  server.feed({ type: 'ended', reason, env: [...env, { name: 'DUMP_DATE', value: '1' }] });
  expect(heard.at(-1)).toMatchObject({ name: 'notifyDataHalted', body: { reason } });
  expect((await client.getEnv()).map(({ name }) => name)).toEqual(['FILESYSTEM', 'DUMP_DATE']);
  await client.stop();
  expect(await client.getState()).toMatchObject({ state: DATA_STATE.idle });
  await expect(client.stop()).rejects.toMatchObject({ error: NDMP_ERROR.illegalState });
  client.close();
  await expect(client.getState()).rejects.toMatchObject({ failure: 'closed' });
});
