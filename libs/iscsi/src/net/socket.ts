// A TCP socket for one connection: gathered writes, reads into one buffer, a bound on what waits to be sent.

import { connect, type Socket } from 'node:net';
import { IscsiError } from '../iscsi-error.ts';
import type { Portal } from '../session/send-targets.ts';

const READ_BYTES = 256 * 1024;
const TCP_KEEPALIVE_MS = 30_000;
/** More than any command may have under way: only a target that asks and never reads comes here. */
const SEND_QUEUE_BYTES_MAX = 256 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

export interface SocketEvents {
  /** The bytes are gone after the call. */
  readonly onData: (chunk: Buffer) => void;
  /** Once, whatever ended it. */
  readonly onClose: (error: IscsiError) => void;
}

export class PortalSocket {
  readonly #socket: Socket;
  #failure: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Rejects with `connect` when there is no connection in time. */
  static open(portal: Portal, timeoutMs: number, events: SocketEvents): Promise<PortalSocket> {
    const socket = connect({
      host: portal.host,
      port: portal.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
      onread: {
        buffer: Buffer.allocUnsafe(READ_BYTES),
        callback: (bytes, buffer) => {
          events.onData(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
          return true;
        },
      },
    });
    const opened = new PortalSocket(socket);
    return new Promise((resolve, reject) => {
      const where = `${portal.host}:${portal.port}`;
      const timer = setTimeout(() => socket.destroy(new Error('timed out')), timeoutMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(opened);
      });
      socket.once('close', () => {
        clearTimeout(timer);
        const why = opened.#failure?.message ?? 'the target closed the connection';
        reject(new IscsiError('connect', `${where}: ${why}`, { cause: opened.#failure }));
        events.onClose(new IscsiError('closed', `${where}: ${why}`, { cause: opened.#failure }));
      });
    });
  }

  send(parts: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
    if (this.#socket.writableLength > SEND_QUEUE_BYTES_MAX) {
      this.#socket.destroy(new Error('the target does not read what it asks for'));
    }
  }

  /** Calls back when nothing that was given to `send` is needed any more. */
  whenSent(done: () => void): void {
    if (this.#socket.writableLength === 0 || this.#socket.destroyed) done();
    else this.#socket.write(NOTHING, () => done());
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
