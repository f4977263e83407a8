// The one data connection of a stream: the filer comes to our listener, or is dialled because it listens itself. The
// first that stands counts, and ends the other way. A dial that fails changes nothing: the filer may still come.

import type net from 'node:net';
import type { Address } from '@tapestry/contracts';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { asStatusError, StatusError } from '@tapestry/status';
import { dialFirst } from './dialler.ts';
import { type Listening, type ListenSpec, listenForOne } from './listener.ts';
import type { FromDrive } from './messages.ts';

export interface ConnectionSpec extends ListenSpec {
  /** How long one address of a filer that listens may take to answer. */
  readonly dialTimeoutMs: number;
}

type Report = (message: FromDrive) => void;

export class DataConnection {
  /** Paused and unread. Rejects with 41 when there is none in time, and after `close`. */
  readonly socket: Promise<net.Socket>;
  readonly #spec: ConnectionSpec;
  readonly #listening: Listening;
  readonly #report: Report;
  readonly #dialled = Promise.withResolvers<net.Socket>();
  readonly #over = new AbortController();
  #isDialling = false;

  /** Resolves when it listens; `listening` is reported. Errors: 25 no port is free. */
  static async open(spec: ConnectionSpec, report: Report): Promise<DataConnection> {
    const listening = await listenForOne(spec, (address) => report({ type: 'stranger', address }));
    report({ type: 'listening', port: listening.port });
    return new DataConnection(spec, listening, report);
  }

  private constructor(spec: ConnectionSpec, listening: Listening, report: Report) {
    this.#spec = spec;
    this.#listening = listening;
    this.#report = report;
    this.socket = this.#first();
    // Whoever waits for it handles its failure; a stream that ended first does not wait.
    this.socket.catch(() => undefined);
  }

  /** Connects to a filer that listens; a failure is reported as `dialFailed`. One dial at a time. */
  async dial(sequence: number, addresses: readonly Address[]): Promise<void> {
    try {
      if (this.#isDialling || this.#over.signal.aborted) {
        throw new StatusError('invalidRequest', 'the stream waits for no data connection');
      }
      this.#isDialling = true;
      const { peers, dialTimeoutMs } = this.#spec;
      const { signal } = this.#over;
      const spec = { addresses, peers, dialTimeoutMs, signal };
      const socket = await dialFirst(spec, ({ host, port }) =>
        this.#report({ type: 'notDialled', address: `${host} port ${port}` }),
      );
      if (this.#over.signal.aborted) socket.resetAndDestroy();
      this.#over.signal.throwIfAborted();
      this.#dialled.resolve(socket);
    } catch (error) {
      const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
      this.#report({ type: 'dialFailed', sequence, failure: { status, detail } });
    } finally {
      this.#isDialling = false;
    }
  }

  close(): void {
    this.#over.abort(new StatusError('interrupted', 'the stream waits for no data connection'));
    this.#listening.close();
  }

  async #first(): Promise<net.Socket> {
    const came = this.#listening.connection.then((socket) => ({ socket, by: 'filer' }) as const);
    const went = this.#dialled.promise.then((socket) => ({ socket, by: 'us' }) as const);
    try {
      const { socket, by } = await Promise.race([came, went]);
      const peer = `${plainAddress(socket.remoteAddress ?? 'unknown')} port ${socket.remotePort}`;
      this.#report({ type: 'connected', peer, by });
      return socket;
    } finally {
      this.close();
    }
  }
}
