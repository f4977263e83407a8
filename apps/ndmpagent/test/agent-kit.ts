// What an agent needs around it in a test: a real NDMP server (our ndmpd, in its own process), and the mover's end of the
// data connection and the file list's HTTP end, played by the test.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const NDMPD_MAIN = fileURLToPath(new URL('../../ndmpd/src/main.ts', import.meta.url));
export const FILER_USER = 'backup';
export const FILER_PASSWORD = 'secret-of-filer';

export interface FilerProcess {
  readonly port: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** ndmpd with one export, /data. */
export async function startFiler(
  folder: string,
  directory: string,
  flags: readonly string[] = [],
): Promise<FilerProcess> {
  const passwordFile = join(folder, 'filer-password');
  writeFileSync(passwordFile, FILER_PASSWORD, { mode: 0o600 });
  const options = [
    '--listen',
    '127.0.0.1:0',
    '--user',
    FILER_USER,
    '--password-file',
    passwordFile,
    ...flags,
  ];
  const child = spawn(process.execPath, [NDMPD_MAIN, ...options, '--export', `data=${directory}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', () => reject(new Error('ndmpd ended before it was ready')));
  });
  const { address } = JSON.parse(line) as { address: string };
  return {
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
    child,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
}

export interface Mover {
  readonly port: number;
  /** Everything received, once the connection ended. */
  readonly received: Promise<Buffer>;
  readonly connected: Promise<net.Socket>;
  /** Connects to a filer that listens, instead of waiting for it. */
  dial(address: { host: string; port: number }): Promise<void>;
  close(): void;
}

/** The mover's side: has one connection; keeps what comes. `isSlow` takes nothing until told. */
export async function startMover(isSlow = false, host = '127.0.0.1'): Promise<Mover> {
  const received = Promise.withResolvers<Buffer>();
  const connected = Promise.withResolvers<net.Socket>();
  const chunks: Buffer[] = [];
  const take = (socket: net.Socket): void => {
    socket.on('error', () => undefined);
    if (isSlow) socket.pause();
    else socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => received.resolve(Buffer.concat(chunks)));
    connected.resolve(socket);
  };
  const server = net.createServer(take);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    received: received.promise,
    connected: connected.promise,
    dial: ({ host, port }) =>
      new Promise((resolve, reject) => {
        const socket = net.connect(port, host, () => resolve());
        socket.once('error', reject);
        take(socket);
      }),
    close: () => server.close(),
  };
}

export interface FileListServer {
  readonly url: string;
  readonly files: Map<string, Buffer>;
  /** Answers the next PUTs with this status and keeps nothing. */
  refuse(times: number, status: number): void;
  close(): void;
}

export async function startFileListServer(): Promise<FileListServer> {
  const files = new Map<string, Buffer>();
  const refusal = { times: 0, status: 500 };
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (refusal.times > 0) {
        refusal.times -= 1;
        response.writeHead(refusal.status).end('not now');
        return;
      }
      const body = Buffer.concat(chunks);
      const digest = createHash('sha256').update(body).digest('hex');
      const isGood = request.headers.authorization === 'Bearer ticket-1';
      if (isGood) files.set(digest, body);
      response.writeHead(isGood ? 201 : 403).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/file-lists/1`,
    files,
    refuse: (times, status) => Object.assign(refusal, { times, status }),
    close: () => server.close(),
  };
}
