// The configuration that production's three bus servers get: they find each other over TLS, hold streams in three copies,
// and go on without one of them.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { provisionStreams } from '@tapestry/bus';
import { findNatsServer } from '@tapestry/servers';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureSecretStore } from './secret-store.ts';
import { NATS_PORT, SECRETS_DIR } from './services.ts';

// Loopback addresses of their own: all three listen on the ports that they have in a cluster.
const ADDRESSES = ['127.0.77.1', '127.0.77.2', '127.0.77.3'];
const dir = mkdtempSync(join(tmpdir(), 'tapestry-cluster-'));
const servers: ChildProcess[] = [];
let password = '';
let ca = '';

beforeAll(async () => {
  // The client library asks for `localhost` where it was given an address.
  const serverNames = [...ADDRESSES, 'localhost'];
  const nats = { serverNames, monitorHost: '0.0.0.0', clusterHosts: ADDRESSES };
  const plan = { hosts: ['media1'], nats, databaseNames: ['postgres'] };
  const deliveries = await ensureSecretStore(join(dir, 'store'), plan, Date.now());
  const files = deliveries.nats?.files ?? {};
  password = deliveries.provision?.files['bus-password']?.trim() ?? '';
  ca = files['ca.pem'] ?? '';
  for (const address of ADDRESSES) servers.push(startServer(address, files));
});

afterAll(async () => {
  await Promise.all(servers.map(end));
  rmSync(dir, { recursive: true, force: true });
});

function startServer(address: string, files: Readonly<Record<string, string>>): ChildProcess {
  const folder = join(dir, address);
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    const placed = text
      .replaceAll(SECRETS_DIR, folder)
      .replaceAll('0.0.0.0', address)
      .replaceAll('"/data"', JSON.stringify(join(folder, 'data')));
    writeFileSync(join(folder, name), placed, { mode: 0o600 });
  }
  return spawn(findNatsServer(), ['-c', join(folder, 'nats.conf'), '-l', join(folder, 'log')], {
    env: { SERVER_NAME: `nats-${address.at(-1)}` },
    stdio: 'ignore',
  });
}

function end(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve();
    server.once('exit', () => resolve());
    server.kill('SIGKILL');
    return undefined;
  });
}

const url = ADDRESSES.map((address) => `nats://${address}:${NATS_PORT}`).join(',');
const provisionAll = () => provisionStreams({ url, password, ca, replicas: ADDRESSES.length });

test('three servers hold each stream three times, and two of them go on', async () => {
  await eventually('a cluster that takes streams', () => provisionAll().then(() => true), 60_000);
  const connection = await connect({
    servers: url.split(','),
    tls: { ca },
    ...{ user: 'provision', pass: password, inboxPrefix: '_INBOX_provision' },
  });
  try {
    const manager = await jetstreamManager(connection);
    const streams = await manager.streams.list().next();
    expect(streams.length).toBeGreaterThan(0);
    for (const { config, cluster } of streams) {
      expect(config.num_replicas).toBe(3);
      expect(cluster?.replicas).toHaveLength(2);
    }
  } finally {
    await connection.close();
  }
  await end(servers[0] as ChildProcess);
  await eventually('two servers that take changes', () => provisionAll().then(() => true), 60_000);
  expect(readFileSync(join(dir, ADDRESSES[1] as string, 'log'), 'utf8')).not.toMatch(/TLS.*error/i);
}, 240_000);
