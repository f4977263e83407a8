// The other side of the benchmarks: a DMA that asks any NDMP server for a backup or a recovery, and the end of the
// data connection. The same for every server, so that what differs is the server.

import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  countHistory,
  DATA_HALT,
  NdmpClient,
  type NdmpTransport,
  type Pval,
  U64_MAX,
} from '@tapestry/ndmp';

const CALL_TIMEOUT_MS = 60_000;
const OPERATION_TIMEOUT_MS = 180_000;
const CHUNK_BYTES = 1024 * 1024;
const CHUNKS = 4;

/** Where a server listens and who may log in. */
export interface Login {
  readonly address: string;
  readonly user: string;
  readonly password: string;
}

export interface BackupTimes {
  readonly seconds: number;
  readonly bytes: number;
  readonly entries: number;
  readonly env: Pval[];
}

/** From START_BACKUP to the halt. With `keptAs`, the image goes into that file, which costs time. */
export async function timeBackup(login: Login, env: Pval[], keptAs?: string): Promise<BackupTimes> {
  const session = await Session.open(login);
  try {
    const { port, received } = await swallow(keptAs);
    await session.client.dataConnect(endpoint(port));
    const start = performance.now();
    await session.client.startBackup({ butype: 'tar', env });
    await session.halted();
    const seconds = (performance.now() - start) / 1000;
    const got = await session.client.getEnv();
    await session.client.stop();
    const { bytes } = await received;
    return { seconds, bytes, entries: session.entries, env: got };
  } finally {
    session.client.close();
  }
}

export interface RecoverWish {
  readonly image: string;
  readonly env: Pval[];
  readonly destination: string;
}

/** Seconds from START_RECOVER of everything, in one pass over the image, to the halt. */
export async function timeRecovery(
  login: Login,
  { image, env, destination }: RecoverWish,
): Promise<number> {
  const session = await Session.open(login);
  const feeder = await listenOnce();
  try {
    await session.client.dataConnect(endpoint(feeder.port));
    const socket = await feeder.socket;
    socket.on('error', () => {});
    session.onRange = (offset, length) => void feed(socket, image, { offset, length });
    const everything = {
      ...{ originalPath: '/', destinationPath: destination, name: '', otherName: '' },
      ...{ node: 0n, fhInfo: U64_MAX },
    };
    const whole = { butype: 'tar', env: [...env, { name: 'DIRECT', value: 'n' }] };
    const start = performance.now();
    await session.client.startRecover({ ...whole, names: [everything] });
    await session.halted();
    const seconds = (performance.now() - start) / 1000;
    await session.client.stop();
    socket.destroy();
    return seconds;
  } finally {
    session.client.close();
  }
}

class Session {
  readonly client: NdmpClient;
  entries = 0;
  onRange: (offset: number, length: number) => void = () => {};
  readonly #halt: Promise<number>;

  private constructor(address: string) {
    let onHalt: (reason: number) => void = () => {};
    this.#halt = new Promise((resolve) => {
      onHalt = resolve;
    });
    this.client = new NdmpClient({
      transport: transportTo(address),
      callTimeoutMs: CALL_TIMEOUT_MS,
      handlers: {
        onHistory: (post) => {
          this.entries += countHistory(post);
        },
        onLogMessage: ({ entry }) => process.stderr.write(`${entry}\n`),
        onNotify: ({ name, body }) => {
          if (name === 'notifyDataHalted') onHalt(body.reason);
          if (name !== 'notifyDataRead') return;
          const isOpen = body.length === U64_MAX;
          this.onRange(
            Number(body.offset),
            isOpen ? Number.POSITIVE_INFINITY : Number(body.length),
          );
        },
      },
    });
  }

  static async open({ address, user, password }: Login): Promise<Session> {
    const session = new Session(address);
    await session.client.connectOpen();
    await session.client.authMd5(user, password);
    return session;
  }

  async halted(): Promise<void> {
    const tooLong = sleep(OPERATION_TIMEOUT_MS, 'too long', { ref: false });
    const reason = await Promise.race([this.#halt, tooLong]);
    if (reason !== DATA_HALT.successful) throw new Error(`the server halted: ${reason}`);
  }
}

function endpoint(port: number) {
  return { type: 'tcp' as const, endpoints: [{ host: '127.0.0.1', port, env: [] }] };
}

export async function listenOnce(): Promise<{ port: number; socket: Promise<Socket> }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const socket = new Promise<Socket>((resolve) => {
    server.once('connection', (accepted) => {
      server.close();
      resolve(accepted);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, socket };
}

export interface Received {
  readonly bytes: number;
  /** From the connection to its end. */
  readonly seconds: number;
}

/** Listens, and counts the bytes of one connection; they are kept only where a file is named. */
export async function swallow(
  keptAs?: string,
): Promise<{ port: number; received: Promise<Received> }> {
  const { port, socket } = await listenOnce();
  return { port, received: socket.then((accepted) => receive(accepted, keptAs)) };
}

async function receive(socket: Socket, keptAs: string | undefined): Promise<Received> {
  const fd = keptAs === undefined ? undefined : openSync(keptAs, 'w');
  const start = performance.now();
  let bytes = 0;
  await new Promise<void>((resolve) => {
    socket.on('error', () => resolve());
    socket.on('end', resolve);
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (fd !== undefined) writeSync(fd, chunk);
    });
  });
  const seconds = (performance.now() - start) / 1000;
  socket.end();
  if (fd !== undefined) closeSync(fd);
  return { bytes, seconds };
}

/** Sends a range of a file; one without an end is closed by the end of the connection. */
async function feed(
  socket: Socket,
  file: string,
  { offset, length }: { offset: number; length: number },
): Promise<void> {
  const fd = openSync(file, 'r');
  const free = Array.from({ length: CHUNKS }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES));
  let wake: () => void = () => {};
  let at = offset;
  while (at < offset + length && !socket.destroyed) {
    const buffer = free.pop();
    if (buffer === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    const read = readSync(fd, buffer, 0, Math.min(CHUNK_BYTES, offset + length - at), at);
    if (read === 0) break;
    at += read;
    socket.write(buffer.subarray(0, read), () => {
      free.push(buffer);
      wake();
    });
  }
  closeSync(fd);
  if (!Number.isFinite(length)) socket.end();
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
