// The data process by itself: the ways it gets its connection, and how it ends.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { DATA_HALT } from '@tapestry/ndmp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DataService } from '../src/adapters/data-service.ts';
import { WorkerPool } from '../src/adapters/worker-pool.ts';
import type { SessionReport, WorkerCommand } from '../src/core/data-protocol.ts';
import { makeWorkspace } from './harness.ts';

const workspace = makeWorkspace();
let pool: WorkerPool;

beforeAll(() => {
  pool = new WorkerPool();
});
afterAll(() => {
  pool.close();
  workspace.remove();
});

/** A service with its first command, and its reports as they come. */
function open(command: WorkerCommand) {
  const reports: SessionReport[] = [];
  let wake = (): void => {};
  const service = new DataService(pool, (report) => {
    reports.push(report);
    wake();
  });
  service.open(command);
  const next = async <T extends SessionReport['type']>(type: T) => {
    for (;;) {
      const at = reports.findIndex((report) => report.type === type);
      if (at !== -1) return reports.splice(at, 1)[0] as Extract<SessionReport, { type: T }>;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { service, next };
}

test.each(['127.0.0.1', '::1'])('it takes one connection at %s', async (host) => {
  const { service, next } = open({ type: 'listen', host });
  const { port } = await next('listening');
  const peer = connect({ host, port });
  expect(await next('connected')).toMatchObject({ host });
  peer.destroy();
  expect(await next('ended')).toMatchObject({ reason: DATA_HALT.connectError });
  service.release();
});

test.each(['127.0.0.1', '::1'])('it dials %s, after an address where nobody is', async (host) => {
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const endpoints = [1, port].map((each) => ({ host, port: each, env: [] }));
  const { service, next } = open({ type: 'dial', endpoints });
  expect(await next('connected')).toMatchObject({ host, port });
  service.release();
  server.close();
});

test('it joins a mover on this host', async () => {
  const path = workspace.file('mover');
  const accepted = new Promise<Socket>((resolve) => {
    const server = createServer((socket) => {
      server.close();
      resolve(socket);
    });
    server.listen(path);
  });
  const { service, next } = open({ type: 'dialLocal', path });
  await next('connected');
  const ended = new Promise<void>((resolve) => {
    void accepted.then((socket) => socket.resume().once('close', () => resolve()));
  });
  service.abort();
  await ended;
});

test('a mover that is not there is a failure in words', async () => {
  const { service, next } = open({ type: 'dialLocal', path: workspace.file('nobody') });
  expect((await next('connectFailed')).text).toContain('cannot reach the mover');
  service.release();
});

test('a process that dies ends the operation and says so', async () => {
  const { service, next } = open({ type: 'listen', host: '127.0.0.1' });
  const { port } = await next('listening');
  const children = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isOwnDataProcess(pid, port));
  expect(children).toHaveLength(1);
  process.kill(children[0] as number, 'SIGKILL');
  expect((await next('log')).entry).toContain('SIGKILL');
  expect(await next('ended')).toMatchObject({ reason: DATA_HALT.internalError });
  service.release();
});

/** The child of this process that holds the listening socket. */
function isOwnDataProcess(pid: number, port: number): boolean {
  const script = `
    grep -q "^PPid:\\s*$3$" /proc/$1/status 2>/dev/null || exit 1
    hex=$(printf '0100007F:%04X' $2)
    inode=$(awk -v a="$hex" '$2 == a && $4 == "0A" { print $10 }' /proc/net/tcp)
    ls -l /proc/$1/fd 2>/dev/null | grep -q "socket:\\[$inode\\]"`;
  try {
    execFileSync('sh', ['-c', script, 'sh', String(pid), String(port), String(process.pid)]);
    return true;
  } catch {
    return false;
  }
}
