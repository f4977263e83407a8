// The process of one data connection: it listens or dials, then runs one operation on that connection.
// File system calls here are synchronous and may block; the session's process never does. Ending the
// process closes everything it holds, which is how an operation is aborted.

import { createServer, type Server, type Socket } from 'node:net';
import { DATA_HALT, type Pval, type TcpEndpoint } from '@tapestry/ndmp';
import type {
  BackupOrder,
  RecoverOrder,
  WorkerCommand,
  WorkerReport,
} from '../core/data-protocol.ts';
import {
  FILES_FAILED_VARIABLE,
  FORMAT,
  FORMAT_VARIABLE,
  IMAGE_BYTES_VARIABLE,
} from '../core/operation-env.ts';
import { Progress } from '../core/progress.ts';
import { BackupRun } from './backup-run.ts';
import { dial } from './dial.ts';
import { postImageHistory } from './history-run.ts';
import { HostTree } from './host-tree.ts';
import { ReceiveBuffers } from './receive-buffers.ts';
import { RecoverRun } from './recover-run.ts';
import { Reporter } from './reporter.ts';
import { RootError } from './source-tree.ts';
import { StreamSink } from './stream-sink.ts';
import { StreamEndError, StreamSource } from './stream-source.ts';

const LISTEN_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_MS = 60_000;
const CLOSE_TIMEOUT_MS = 1000;

class DataWorker {
  readonly #report: Reporter;
  readonly #progress: Progress;
  #listener: Server | undefined;
  #socket: Socket | undefined;
  /** Of a socket that was dialled. */
  #received: ReceiveBuffers | undefined;
  #running = false;

  constructor(send: (report: WorkerReport) => void) {
    this.#report = new Reporter(send);
    this.#progress = new Progress((bytes) => send({ type: 'progress', bytes }));
  }

  obey(command: WorkerCommand): void {
    switch (command.type) {
      case 'listen':
        this.#listen(command.host);
        break;
      case 'dial':
        void this.#dial(command.endpoints);
        break;
      case 'dialLocal':
        void this.#dialLocal(command.path);
        break;
      case 'backup':
        void this.#operate((socket) => this.#backUp(command, socket));
        break;
      case 'recover':
        void this.#operate((socket) => this.#recover(command, socket));
        break;
      case 'taken':
        this.#report.taken(command.posts);
    }
  }

  /** Takes exactly one connection, then stops listening. */
  #listen(host: string): void {
    const unused = setTimeout(() => this.#lost(), LISTEN_TIMEOUT_MS);
    const listener = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      clearTimeout(unused);
      listener.close();
      if (this.#socket !== undefined) socket.destroy();
      else this.#adopt(socket);
    });
    this.#listener = listener;
    listener.maxConnections = 1;
    listener.once('error', (error) => {
      this.#report.send({ type: 'connectFailed', text: `cannot listen: ${error.message}` });
    });
    listener.listen(0, host, () => {
      const address = listener.address();
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
      this.#report.send({ type: 'listening', port });
    });
  }

  /** Tries the end points in their order; the first that answers is used. */
  async #dial(endpoints: readonly TcpEndpoint[]): Promise<void> {
    const failures: string[] = [];
    for (const { host, port } of endpoints) {
      try {
        const received = new ReceiveBuffers();
        this.#adopt(await dial({ host, port }, received.onread), received);
        return;
      } catch (error) {
        failures.push(`${host}:${port}: ${error instanceof Error ? error.message : error}`);
      }
    }
    this.#report.send({ type: 'connectFailed', text: `cannot connect to ${failures.join('; ')}` });
  }

  async #dialLocal(path: string): Promise<void> {
    try {
      const received = new ReceiveBuffers();
      this.#adopt(await dial({ path }, received.onread), received);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#report.send({ type: 'connectFailed', text: `cannot reach the mover: ${why}` });
    }
  }

  #adopt(socket: Socket, received?: ReceiveBuffers): void {
    this.#socket = socket;
    this.#received = received;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // While idle, the peer's end or an error ends the connection; a running operation sees for itself.
    // Half-open, because a peer that only reads may close its sending side at once.
    socket.on('error', () => this.#lost());
    socket.once('end', () => this.#lost());
    socket.once('close', () => this.#lost());
    const { remoteAddress: host = '', remotePort: port = 0 } = socket;
    this.#report.send({ type: 'connected', host, port });
  }

  #lost(): void {
    if (!this.#running) this.#end(DATA_HALT.connectError, []);
  }

  async #operate(operation: (socket: Socket) => Promise<Pval[]>): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || this.#running) return;
    this.#running = true;
    try {
      const env = await operation(socket);
      this.#end(DATA_HALT.successful, env);
    } catch (error) {
      this.#report.flushHistory();
      this.#report.error(error instanceof Error ? error.message : String(error));
      this.#end(haltReason(error, socket), []);
    }
  }

  async #backUp(order: BackupOrder, socket: Socket): Promise<Pval[]> {
    const sink = new StreamSink(socket, this.#progress);
    const totals = await new BackupRun(order, new HostTree(order), sink, this.#report).run();
    await sink.end();
    this.#report.send({ type: 'directories', bytes: totals.directories });
    if (totals.failed > 0) this.#report.error(`${totals.failed} objects were not saved whole`);
    return [
      { name: FORMAT_VARIABLE, value: FORMAT },
      { name: IMAGE_BYTES_VARIABLE, value: String(sink.position) },
      { name: FILES_FAILED_VARIABLE, value: String(totals.failed) },
    ];
  }

  async #recover(order: RecoverOrder, socket: Socket): Promise<Pval[]> {
    const source = new StreamSource(socket, this.#progress, {
      received: this.#received,
      imageBytes: order.imageBytes === undefined ? undefined : Number(order.imageBytes),
      alignBytes: order.readAlignBytes,
      ask: (offset, length) => this.#report.send({ type: 'dataRead', offset, length }),
    });
    if (order.listOnly) await postImageHistory(order, source, this.#report);
    else await new RecoverRun(order, source, this.#report).run();
    return [];
  }

  #end(reason: number, env: readonly Pval[]): void {
    this.#listener?.close();
    if (reason === DATA_HALT.successful) closeGently(this.#socket, this.#received);
    else this.#socket?.destroy();
    this.#progress.flush();
    this.#report.send({ type: 'ended', reason, env });
  }
}

/**
 * A mover may have sent more than was read, by a record or by a range: closing over that would reset the
 * connection, which looks like a failure from there.
 */
function closeGently(socket: Socket | undefined, received: ReceiveBuffers | undefined): void {
  if (socket === undefined) return;
  socket.removeAllListeners('data');
  received?.drop();
  socket.resume();
  socket.end();
  socket.once('end', () => socket.destroy());
  setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref();
}

function haltReason(error: unknown, socket: Socket): number {
  if (error instanceof RootError) return DATA_HALT.internalError;
  if (error instanceof StreamEndError) return DATA_HALT.connectError;
  return socket.errored || socket.destroyed ? DATA_HALT.connectError : DATA_HALT.internalError;
}

function main(): void {
  const send = process.send?.bind(process);
  if (send === undefined) return; // imported or started by hand: there is nobody to obey
  const worker = new DataWorker((report) => {
    if (process.connected) send(report);
  });
  process.on('message', (command: WorkerCommand) => worker.obey(command));
  process.once('disconnect', () => process.exit(0));
}

main();
