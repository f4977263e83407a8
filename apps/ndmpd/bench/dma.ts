// The other side of the benchmarks: starts ndmpd, asks for a backup, swallows its stream.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { countHistory, NdmpClient, type NdmpTransport, type Pval } from '@tapestry/ndmp';

const MAIN = new URL('../src/main.ts', import.meta.url).pathname;

export interface BenchServer {
  readonly address: string;
  readonly child: ChildProcess;
}

export async function startNdmpd(directory: string, work: string): Promise<BenchServer> {
  const password = join(work, 'password');
  writeFileSync(password, 'bench');
  const flags = ['--listen', '127.0.0.1:0', '--user', 'bench', '--password-file', password];
  const args = [MAIN, ...flags, '--export', `home=${directory}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) return { address: JSON.parse(line).address, child };
  throw new Error('ndmpd ended');
}

/** Listens, and counts the bytes of one connection without keeping them. */
export async function swallow(): Promise<{ port: number; bytes: Promise<number> }> {
  let total = 0;
  let done: (bytes: number) => void = () => {};
  const bytes = new Promise<number>((resolve) => {
    done = resolve;
  });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    socket.on('error', () => done(total));
    socket.on('end', () => {
      socket.end();
      done(total);
    });
    socket.on('data', (chunk) => {
      total += chunk.length;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, bytes };
}

export interface BackupTimes {
  readonly seconds: number;
  readonly bytes: number;
  readonly entries: number;
  readonly peakMb: number;
}

/** From START_BACKUP to the halt. */
export async function timeBackup(server: BenchServer, env: Pval[]): Promise<BackupTimes> {
  let entries = 0;
  let halted: () => void = () => {};
  const halt = new Promise<void>((resolve) => {
    halted = resolve;
  });
  const client = new NdmpClient({
    transport: transportTo(server.address),
    callTimeoutMs: 60_000,
    handlers: {
      onHistory: (post) => {
        entries += countHistory(post);
      },
      onLogMessage: ({ entry }) => console.error(entry),
      onNotify: ({ name }) => {
        if (name === 'notifyDataHalted') halted();
      },
    },
  });
  await client.connectOpen();
  await client.authMd5('bench', 'bench');
  const { port, bytes } = await swallow();
  const endpoints = [{ host: '127.0.0.1', port, env: [] }];
  await client.dataConnect({ type: 'tcp', endpoints });
  const start = performance.now();
  await client.startBackup({ butype: 'tar', env });
  await halt;
  const seconds = (performance.now() - start) / 1000;
  const peakMb = peakOfTree(server.child.pid ?? 0);
  await client.stop();
  client.close();
  return { seconds, bytes: await bytes, entries, peakMb };
}

/** Peak memory of a process and its children, each at its own peak. */
function peakOfTree(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const own = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  return children
    .filter((one) => one !== '')
    .reduce((sum, one) => sum + peakOfTree(Number(one)), own);
}

function transportTo(address: string): NdmpTransport {
  const at = address.lastIndexOf(':');
  const socket = connect(Number(address.slice(at + 1)), address.slice(0, at));
  socket.setNoDelay(true);
  return {
    write: (bytes) => void socket.write(bytes),
    onData: (handler) => void socket.on('data', handler),
    onClose: (handler) => void socket.once('close', () => handler(undefined)),
    close: () => void socket.end(),
  };
}
