// The listener of control connections: greets up to a limit, refuses the rest in NDMP's own words.

import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { CONNECTION_STATUS, encodePost, VERSION_MAX } from '@tapestry/ndmp';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { StatusError } from '@tapestry/status';
import { DumpDates } from './adapters/dump-dates.ts';
import { type EventLog, eventLog } from './adapters/event-log.ts';
import type { TapeLibrary } from './adapters/tape-library.ts';
import { TapeThreads } from './adapters/tape-threads.ts';
import { WorkerPool } from './adapters/worker-pool.ts';
import type { Config } from './config.ts';
import { Session, type SessionContext } from './session.ts';

const KEEP_ALIVE_MS = 60_000;
/** What a slow disk has not taken by then is cut off, as by a kill. */
const SESSIONS_END_MS = 20_000;
// The widely deployed server side copies at most 31 bytes into the digest; longer ones do not interwork.
const PASSWORD_BYTES_MAX = 31;

export class NdmpServer {
  readonly #config: Config;
  readonly #context: SessionContext;
  readonly #listener: Server;
  /** With the end of each. */
  readonly #sessions = new Map<Session, Promise<void>>();

  /** Takes the library over: it is closed with the server. */
  constructor(config: Config, library?: TapeLibrary, log: EventLog = eventLog(process.stderr)) {
    this.#config = config;
    const dumpDates = new DumpDates(config.dumpDates);
    const password = readPassword(config.passwordFile);
    const tapes = library && { library, threads: new TapeThreads() };
    this.#context = { config, password, dumpDates, pool: new WorkerPool(), tapes, log };
    this.#listener = createServer({ noDelay: true, keepAlive: true }, (s) => this.#accept(s));
  }

  /** Resolves with HOST:PORT once connections are taken. */
  listen(): Promise<string> {
    const { host, port } = this.#config.listen;
    return new Promise((resolve, reject) => {
      this.#listener.once('error', (cause) => {
        const detail = `cannot listen on ${host}:${port}: ${cause.message}`;
        reject(new StatusError('cannotConnect', detail, {}, { cause }));
      });
      this.#listener.listen(port, host, () => {
        const address = this.#listener.address();
        const bound = typeof address === 'object' ? (address?.port ?? port) : port;
        resolve(host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`);
      });
    });
  }

  /** Tells every DMA, ends every session and stops listening. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const session of this.#sessions.keys()) session.shutDown();
    await closed;
    // Tapes get their last filemark before the drives are given back.
    const all = Promise.allSettled(this.#sessions.values());
    await Promise.race([all, pause(SESSIONS_END_MS, undefined, { ref: false })]);
    this.#context.pool.close();
    this.#context.dumpDates.close();
    await this.#context.tapes?.threads.close();
    await this.#context.tapes?.library.close();
  }

  #accept(socket: Socket): void {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    if (this.#sessions.size >= this.#config.sessionsMax) {
      const peer = plainAddress(socket.remoteAddress ?? 'unknown');
      this.#context.log({ peer, text: 'the session was refused: too many sessions' });
      refuse(socket);
      return;
    }
    const session = new Session(socket, this.#context);
    const ended = session.serve().finally(() => this.#sessions.delete(session));
    this.#sessions.set(session, ended);
  }
}

function refuse(socket: Socket): void {
  const stamp = { version: VERSION_MAX, sequence: 1, timeStamp: Math.floor(Date.now() / 1000) };
  const text = 'too many sessions';
  const body = { reason: CONNECTION_STATUS.refused, version: VERSION_MAX, text };
  socket.on('error', () => socket.destroy());
  socket.end(encodePost(stamp, 'notifyConnectionStatus', body));
  socket.resume();
}

function readPassword(file: string): string {
  let password: string;
  try {
    password = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new StatusError('fileOpenFailed', `password file ${file}`, {}, { cause });
  }
  const length = Buffer.byteLength(password);
  if (length >= 1 && length <= PASSWORD_BYTES_MAX) return password;
  throw new StatusError('requiredValueNotSet', `the password in ${file} must have 1 to 31 bytes`);
}
