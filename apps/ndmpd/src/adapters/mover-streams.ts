// How the mover of one session gets its data connection: it listens or dials over TCP, or meets the DATA service of its
// own session on a socket in a private folder (LOCAL).

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ADDR_TYPE,
  endpointsOf,
  NDMP_ERROR,
  type NdmpAddress,
  type Outcome,
  type StreamListener,
  type StreamPort,
  tcpAddress,
} from '@tapestry/ndmp';
import type { DataHosts } from './data-host.ts';
import { DIAL_TIMEOUT_MS, dial } from './dial.ts';
import { SocketStream, type StreamWatcher } from './socket-stream.ts';

const LISTEN_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_MS = 60_000;

export interface MoverStreamsOptions {
  /** Addresses of this host to listen on and to announce. */
  readonly hosts: DataHosts;
  /** Called with the socket of a LOCAL connection that the session's DATA service is to dial. */
  readonly onLocalDial: (path: string) => void;
  readonly onMoved: StreamWatcher;
}

export class MoverStreams implements StreamPort {
  readonly #options: MoverStreamsOptions;
  #localPath: string | undefined;

  constructor(options: MoverStreamsOptions) {
    this.#options = options;
  }

  /** Where the mover waits for the DATA service of its session; undefined unless it does. */
  get localPath(): string | undefined {
    return this.#localPath;
  }

  async listen(addressType: number): Promise<Outcome & { readonly listener?: StreamListener }> {
    const { ipv4, ipv6 } = this.#options.hosts;
    try {
      switch (addressType) {
        case ADDR_TYPE.local:
          return { error: NDMP_ERROR.noError, listener: await this.#listenLocal() };
        case ADDR_TYPE.tcp:
          return { error: NDMP_ERROR.noError, listener: await this.#listenTcp(ipv4) };
        case ADDR_TYPE.tcp6: {
          if (ipv6 === undefined) return { error: NDMP_ERROR.connect };
          return { error: NDMP_ERROR.noError, listener: await this.#listenTcp(ipv6) };
        }
        default:
          return { error: NDMP_ERROR.illegalArgs };
      }
    } catch {
      return { error: NDMP_ERROR.connect };
    }
  }

  async #listenTcp(host: string): Promise<StreamListener> {
    const { server, accepted, close } = await listenOnce({ host, port: 0 });
    const bound = server.address();
    const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0;
    const address = tcpAddress(host, port);
    return { address, close, accepted: accepted.then((socket) => this.#adopt(socket)) };
  }

  async #listenLocal(timeoutMs = LISTEN_TIMEOUT_MS): Promise<StreamListener> {
    const folder = await mkdtemp(join(tmpdir(), 'ndmpd-mover-')); // mode 0700: for this user alone
    const path = join(folder, 'data');
    const forget = (): void => {
      if (this.#localPath === path) this.#localPath = undefined;
      void rm(folder, { recursive: true, force: true });
    };
    try {
      const { accepted, close } = await listenOnce({ path }, timeoutMs);
      this.#localPath = path;
      void accepted.then(forget, forget);
      const address = { type: 'local' } as const;
      const stream = accepted.then((socket) => ({
        stream: new SocketStream(socket, this.#options.onMoved),
        peer: address,
      }));
      stream.catch(() => undefined); // also told to who awaits it
      return { address, close, accepted: stream };
    } catch (error) {
      forget();
      throw error;
    }
  }

  async dial(address: NdmpAddress): ReturnType<StreamPort['dial']> {
    if (address.type === 'local') return this.#dialLocal();
    for (const { host, port } of endpointsOf(address)) {
      try {
        const socket = await dial({ host, port });
        return { error: NDMP_ERROR.noError, ...this.#adopt(socket) };
      } catch {
        // The next end point may answer.
      }
    }
    return { error: NDMP_ERROR.connect };
  }

  #adopt(socket: Socket): { stream: SocketStream; peer: NdmpAddress } {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const peer = tcpAddress(socket.remoteAddress ?? '0.0.0.0', socket.remotePort ?? 0);
    return { stream: new SocketStream(socket, this.#options.onMoved), peer };
  }

  /** The DATA service only waits; it can dial but not be dialled, so the mover has it dial. */
  async #dialLocal(): ReturnType<StreamPort['dial']> {
    try {
      const { accepted } = await this.#listenLocal(DIAL_TIMEOUT_MS);
      if (this.#localPath !== undefined) this.#options.onLocalDial(this.#localPath);
      return { error: NDMP_ERROR.noError, ...(await accepted) };
    } catch {
      return { error: NDMP_ERROR.connect };
    }
  }
}

/** One connection, then the listener is gone; so it is after the time is up or when it is closed. */
async function listenOnce(
  where: { host: string; port: number } | { path: string },
  timeoutMs = LISTEN_TIMEOUT_MS,
): Promise<{
  server: Server;
  accepted: Promise<Socket>;
  close: () => void;
}> {
  const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true });
  server.maxConnections = 1;
  const accepted = new Promise<Socket>((resolve, reject) => {
    const timer = setTimeout(() => server.close(), timeoutMs);
    server.once('connection', (socket) => {
      resolve(socket);
      server.close();
    });
    server.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the listener was closed'));
    });
  });
  accepted.catch(() => undefined); // told to who awaits it
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, resolve);
  });
  return { server, accepted, close: () => void server.close() };
}
