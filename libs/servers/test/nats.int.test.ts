import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { isAlive } from '@tapestry/processes';
import { afterEach, expect, test } from 'vitest';
import { type NatsOptions, type NatsServer, startNats } from '../src/index.ts';

const servers: NatsServer[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tapestry-nats-test-'));
  folders.push(folder);
  return folder;
}

async function start(options: Partial<NatsOptions> = {}): Promise<NatsServer> {
  const server = await startNats({ folder: newFolder(), endWithUs: true, ...options });
  servers.push(server);
  return server;
}

const users = (names: string[]) =>
  `authorization { users: [${names.map((name) => `{ user: ${name}, password: pw }`).join(', ')}] }`;

async function canLogIn(server: NatsServer, user: string): Promise<boolean> {
  try {
    const nc = await connect({ servers: server.url, user, pass: 'pw', reconnect: false });
    await nc.close();
    return true;
  } catch {
    return false;
  }
}

test('a stream survives kill and restart, on the same port', async () => {
  const server = await start();
  const before = await connect({ servers: server.url });
  const manager = await jetstreamManager(before);
  await manager.streams.add({ name: 'S', subjects: ['s.>'] });
  await jetstream(before).publish('s.one', 'kept');
  await before.close();
  const pid = server.pid();
  await server.kill();
  expect(isAlive(pid)).toBe(false);
  await server.restart();
  const after = await connect({ servers: server.url });
  const info = await (await jetstreamManager(after)).streams.info('S');
  expect(info.state.messages).toBe(1);
  await after.close();
});

test('users come from the configuration, and a reload changes them', async () => {
  const server = await start({ config: users(['alice']) });
  expect(await canLogIn(server, 'alice')).toBe(true);
  expect(await canLogIn(server, 'bob')).toBe(false);
  await server.reload(users(['alice', 'bob']));
  expect(await canLogIn(server, 'bob')).toBe(true);
  await expect(server.reload('authorization { users: [')).rejects.toMatchObject({
    status: 'invalidParameter',
  });
  await server.restart();
  expect(await canLogIn(server, 'bob')).toBe(true);
});

test('a configuration that it refuses fails the start with its own words', async () => {
  await expect(start({ config: 'authorization { users: [' })).rejects.toMatchObject({
    status: 'systemError',
    detail: expect.stringContaining('Parse error'),
  });
});

test('ends a server that a crash left on the folder before it starts one', async () => {
  const left = await start();
  const folder = folders.at(-1) as string;
  const next = await start({ folder });
  expect(isAlive(left.pid())).toBe(false);
  expect(await canLogIn(next, 'anybody')).toBe(true);
});

test('an end that nobody asked for is reported, an asked one is not', async () => {
  const exits: unknown[] = [];
  const ended = Promise.withResolvers<void>();
  const server = await start({
    onUnexpectedExit: (exit) => {
      exits.push(exit);
      ended.resolve();
    },
  });
  await server.restart();
  process.kill(server.pid(), 'SIGKILL');
  await ended.promise;
  expect(exits).toEqual([{ code: null, signal: 'SIGKILL' }]);
});
