// What the integration tests share: a real ndmpd in this process, a client on a loopback socket, and a
// media server's end of the data connection.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  endpointsOf,
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  type LogFile,
  type LogMessage,
  type NameEntry,
  type NdmpAddress,
  NdmpClient,
  type NdmpTransport,
  type Notification,
  type Pval,
  readHistory,
  tcpAddress,
  U64_MAX,
} from '@tapestry/ndmp';
import { openTapeLibrary } from '../src/adapters/tape-library.ts';
import { parseConfig } from '../src/config.ts';
import { NdmpServer } from '../src/server.ts';

export const USER = 'backup';
export const PASSWORD = 'open-sesame';

export interface Workspace {
  readonly path: string;
  file(name: string): string;
  remove(): void;
}

export function makeWorkspace(): Workspace {
  const path = mkdtempSync(join(tmpdir(), 'ndmpd-test-'));
  return {
    path,
    file: (name) => join(path, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

export interface RunningServer {
  readonly address: string;
  /** What it told its operator. */
  readonly events: readonly { readonly peer: string; readonly text: string }[];
  close(): Promise<void>;
}

export async function startServer(
  workspace: Workspace,
  exports: Readonly<Record<string, string>>,
  flags: string[] = [],
): Promise<RunningServer> {
  const passwordFile = workspace.file('password');
  writeFileSync(passwordFile, `${PASSWORD}\n`);
  const exportFlags = Object.entries(exports).flatMap(([name, dir]) => [
    '--export',
    `${name}=${dir}`,
  ]);
  const base = ['--listen', '127.0.0.1:0', '--user', USER, '--password-file', passwordFile];
  const config = parseConfig([...base, ...exportFlags, ...flags]);
  if (config === 'help') throw new Error('the flags ask for help');
  const library = config.library === undefined ? undefined : await openTapeLibrary(config.library);
  const events: RunningServer['events'][number][] = [];
  const server = new NdmpServer(config, library, (event) => void events.push(event));
  const address = await server.listen();
  return { address, events, close: () => server.close() };
}

/** A bare connection to the HOST:PORT that a server says it is at. */
export function dialServer(address: string): Socket {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  return connect({ host, port: Number(address.slice(at + 1)) });
}

export function netTransport(address: string): NdmpTransport {
  const socket = dialServer(address);
  socket.setNoDelay(true);
  return {
    write: (bytes) => void socket.write(bytes),
    onData: (handler) => void socket.on('data', handler),
    onClose(handler) {
      let error: Error | undefined;
      socket.once('error', (cause) => {
        error = cause;
      });
      socket.once('close', () => handler(error));
    },
    close: () => void socket.end(),
  };
}

/** Everything a server posted, and a way to wait for the halt. */
export class Dma {
  readonly client: NdmpClient;
  readonly logs: LogMessage[] = [];
  readonly recovered: LogFile[] = [];
  readonly files: HistoryFile[] = [];
  readonly dirs: HistoryDir[] = [];
  readonly nodes: HistoryNode[] = [];
  readonly halts: number[] = [];
  readonly notifications: Notification[] = [];
  onDataRead: (offset: bigint, length: bigint) => void = () => {};
  #wake: (() => void) | undefined;

  constructor(address: string) {
    this.client = new NdmpClient({
      transport: netTransport(address),
      callTimeoutMs: 60_000,
      handlers: {
        onLogMessage: (message) => this.logs.push(message),
        onLogFile: (file) => this.recovered.push(file),
        onHistory: (post) =>
          readHistory(post, {
            file: (entry) => this.files.push(entry),
            dir: (entry) => this.dirs.push(entry),
            node: (entry) => this.nodes.push(entry),
          }),
        onNotify: (notification) => this.#onNotify(notification),
      },
    });
  }

  static async login(address: string, user = USER, password = PASSWORD): Promise<Dma> {
    const dma = new Dma(address);
    await dma.client.connectOpen();
    await dma.client.authMd5(user, password);
    return dma;
  }

  async halted(): Promise<number> {
    while (this.halts.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.halts.shift() as number;
  }

  get logText(): string {
    return this.logs.map(({ entry }) => entry).join('\n');
  }

  #onNotify(notification: Notification): void {
    this.notifications.push(notification);
    if (notification.name === 'notifyDataRead') {
      this.onDataRead(notification.body.offset, notification.body.length);
    }
    if (notification.name !== 'notifyDataHalted') return;
    this.halts.push(notification.body.reason);
    this.#wake?.();
  }
}

/** A listener for one data connection. */
export async function listenForData(
  host = '127.0.0.1',
): Promise<{ port: number; address: NdmpAddress; socket: Promise<Socket> }> {
  const server = createServer({ allowHalfOpen: true });
  const socket = new Promise<Socket>((resolve) => {
    server.once('connection', (accepted) => {
      server.close();
      resolve(accepted);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const bound = server.address();
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0;
  return { port, address: tcpAddress(host, port), socket };
}

/** A connection to the first end point of what a server listens at. */
export function connectTo(address: NdmpAddress | undefined): Socket {
  const [endpoint] = address === undefined ? [] : endpointsOf(address);
  if (endpoint === undefined) throw new Error('the server listens nowhere');
  const socket = connect({ ...endpoint, allowHalfOpen: true });
  socket.on('error', () => {}); // told to who reads
  return socket;
}

export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const variables = (values: Readonly<Record<string, string>>): Pval[] =>
  Object.entries(values).map(([name, value]) => ({ name, value }));

export interface BackupResult {
  image: Buffer;
  env: Pval[];
  halt: number;
  dma: Dma;
}

/** A whole remote backup: this side listens, reads to the end, asks for the environment, stops. */
export async function backUp(
  address: string,
  values: Readonly<Record<string, string>>,
): Promise<BackupResult> {
  const dma = await Dma.login(address);
  const { address: at, socket } = await listenForData();
  await dma.client.dataConnect(at);
  const image = readAll(await socket);
  await dma.client.startBackup({ butype: 'tar', env: variables(values) });
  const halt = await dma.halted();
  const state = await dma.client.getState();
  const env = await dma.client.getEnv();
  await dma.client.stop();
  dma.client.close();
  const bytes = await image.catch(() => Buffer.alloc(0));
  if (halt === 1 && state.bytesProcessed !== BigInt(bytes.length)) {
    throw new Error(`${state.bytesProcessed} bytes processed, ${bytes.length} received`);
  }
  return { image: bytes, env, halt, dma };
}

export interface RecoverResult {
  halt: number;
  dma: Dma;
  ranges: [bigint, bigint][];
}

/** A whole remote recovery: serves each range that is asked for out of the image. */
export async function recover(
  address: string,
  image: Buffer,
  env: Pval[],
  names: NameEntry[],
  options: { historyOnly?: boolean } = {},
): Promise<RecoverResult> {
  const dma = await Dma.login(address);
  const { address: at, socket } = await listenForData();
  await dma.client.dataConnect(at);
  const data = await socket;
  data.on('error', () => {});
  const ranges: [bigint, bigint][] = [];
  dma.onDataRead = (offset, length) => {
    ranges.push([offset, length]);
    const end = length === U64_MAX ? image.length : Number(offset + length);
    data.write(image.subarray(Number(offset), end));
    if (length === U64_MAX) data.end();
  };
  const request = { butype: 'tar', env, names };
  if (options.historyOnly) await dma.client.startRecoverHistory(request);
  else await dma.client.startRecover(request);
  const halt = await dma.halted();
  await dma.client.stop();
  dma.client.close();
  data.destroy();
  return { halt, dma, ranges };
}

export function nameEntry(
  originalPath: string,
  destinationPath: string,
  fhInfo: bigint = U64_MAX,
): NameEntry {
  return { originalPath, destinationPath, name: '', otherName: '', node: 0n, fhInfo };
}

/** One line an object: type, mode, owner, size, mtime in ns, links, blocks of sparse files, target, digest. */
export function describeTree(root: string): string[] {
  const script = `cd "$1" && find . -mindepth 0 -printf '%p|%y|%m|%U:%G|%T@|%n|%l\\n' | LC_ALL=C sort
find . -type f -exec md5sum {} + | LC_ALL=C sort -k2`;
  const text = execFileSync('bash', ['-c', script, 'bash', root], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  return text.split('\n');
}
