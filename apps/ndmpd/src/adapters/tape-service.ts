// The session's handle on its tape thread, in the form of the ports that the state machine's effects are performed over:
// drives and mover. The thread is taken with the first call and ends with the session.

import { randomUUID } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import {
  type CdbOrder,
  type CdbOutcome,
  MOVER_HALT,
  type MoverOrder,
  type MoverProgress,
  type MoverPump,
  type MoverReport,
  NDMP_ERROR,
  type NdmpAddress,
  type Outcome,
  type TapeDrive,
  type TapePort,
  type TapeStatus,
} from '@tapestry/ndmp';
import {
  type FromTapeThread,
  PROGRESS,
  type TapeCall,
  type TapeOrder,
} from '../core/tape-protocol.ts';
import type { DataHosts } from './data-host.ts';
import type { TapeLibrary } from './tape-library.ts';
import type { TapeThreads } from './tape-threads.ts';

/** Longer than saving the data of a whole tape to a slow disk takes. */
const CALL_TIMEOUT_MS = 900_000;
const ABORT_TIMEOUT_MS = 30_000;
const DISCARD_TIMEOUT_MS = 5000;

export interface TapeServiceOptions {
  readonly library: TapeLibrary;
  readonly threads: TapeThreads;
  /** Addresses of this host for data connections over TCP. */
  readonly hosts: DataHosts;
  readonly onReport: (report: MoverReport) => void;
  /** The DATA service of the session is to dial this socket. */
  readonly onLocalDial: (path: string) => void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class TapeService implements MoverPump {
  readonly tapes: TapePort;
  readonly #options: TapeServiceOptions;
  readonly #calls = new Map<number, Waiting>();
  readonly #progress = new SharedArrayBuffer(PROGRESS.count * BigInt64Array.BYTES_PER_ELEMENT);
  readonly #counters = new BigInt64Array(this.#progress);
  #worker: Worker | undefined;
  /** Gives back what the thread may still hold; does nothing when it gave it back itself. */
  #takeBack: (() => void) | undefined;
  #lastId = 0;
  #localPath: string | undefined;

  constructor(options: TapeServiceOptions) {
    this.#options = options;
    this.tapes = {
      list: () => options.library.listDrives(),
      open: (device, mode) => this.#open(device, mode),
    };
  }

  /** Where a mover that listens for LOCAL waits for the DATA service of its session. */
  get localPath(): string | undefined {
    return this.#localPath;
  }

  /** The session is over. Its drive was given back, unless the thread could not. */
  async end(): Promise<void> {
    await this.#failed('the session is over');
  }

  async #open(device: string, mode: number): ReturnType<TapePort['open']> {
    const { library } = this.#options;
    const place = await library.findDrive(device);
    if (place === undefined) return { error: NDMP_ERROR.noDevice };
    const grantId = `ndmpd ${randomUUID()}`;
    this.#takeBack = () => library.takeBack(place, grantId);
    const outcome = await this.#call<Outcome>({ call: 'open', place, grantId, mode });
    if (outcome.error !== NDMP_ERROR.noError) return outcome;
    return { ...outcome, drive: this.#drive() };
  }

  #drive(): TapeDrive {
    return {
      status: () => this.#call<TapeStatus>({ call: 'status' }),
      space: (order) => this.#call({ call: 'space', order }),
      write: (data) => this.#call({ call: 'write', data }),
      read: async (order) => {
        const { error, data } = await this.#call<Outcome & { data: Uint8Array }>({
          call: 'read',
          order,
        });
        return { error, data: asBuffer(data) };
      },
      executeCdb: (order) => this.#executeCdb(order),
      close: (how) => this.#close(how),
    };
  }

  async #executeCdb(order: CdbOrder): Promise<CdbOutcome> {
    const outcome = await this.#call<CdbOutcome>({ call: 'executeCdb', order });
    const { dataIn, sense } = outcome;
    return { ...outcome, dataIn: asBuffer(dataIn), sense: asBuffer(sense) };
  }

  /** The drive of a thread that died was taken from it; of one that hangs, it is taken now. */
  async #close(how: 'flush' | 'discard'): Promise<Outcome> {
    if (this.#worker === undefined) {
      return { error: how === 'flush' ? NDMP_ERROR.io : NDMP_ERROR.noError };
    }
    if (how === 'flush') return this.#call({ call: 'close', how });
    try {
      return await this.#call<Outcome>({ call: 'close', how }, DISCARD_TIMEOUT_MS);
    } catch {
      return { error: NDMP_ERROR.noError };
    }
  }

  async listen(addressType: number): ReturnType<MoverPump['listen']> {
    const { localPath, ...outcome } = await this.#call<
      Awaited<ReturnType<MoverPump['listen']>> & { localPath: string | undefined }
    >({ call: 'moverListen', addressType });
    this.#localPath = localPath;
    return outcome;
  }

  connect(address: NdmpAddress): ReturnType<MoverPump['connect']> {
    return this.#call({ call: 'moverConnect', address });
  }

  /** The drive is the one that the thread has open. */
  run(mover: MoverOrder): void {
    this.#order({ order: 'run', mover });
  }

  read(offset: bigint, length: bigint): void {
    // At once, so that a second request right behind it finds the first.
    Atomics.store(this.#counters, PROGRESS.bytesLeftToRead, BigInt.asIntN(64, length));
    this.#order({ order: 'read', offset, length });
  }

  progress(): MoverProgress {
    const [bytesMoved, recordNumber, bytesLeftToRead] = [
      PROGRESS.bytesMoved,
      PROGRESS.recordNumber,
      PROGRESS.bytesLeftToRead,
    ].map((at) => BigInt.asUintN(64, Atomics.load(this.#counters, at))) as [bigint, bigint, bigint];
    return { bytesMoved, recordNumber: Number(recordNumber), bytesLeftToRead };
  }

  close(): void {
    this.#order({ order: 'close' });
  }

  async abort(): Promise<void> {
    if (this.#worker === undefined) return;
    // A thread that is gone has let go; and of a session that is lost nobody waits for the answer.
    await this.#call({ call: 'moverAbort' }, ABORT_TIMEOUT_MS).catch(() => undefined);
  }

  release(): void {
    this.#order({ order: 'release' });
    this.#counters.fill(0n);
  }

  /** A thread that does not answer in time is as good as dead, and is ended. */
  #call<T>(call: TapeCall, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(
        () => void this.#failed(`no answer to ${call.call}`),
        timeoutMs,
      ).unref();
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        done();
      };
      this.#calls.set(id, {
        resolve: (value) => settle(() => resolve(value as T)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#thread().postMessage({ ...call, id });
    });
  }

  #order(order: TapeOrder): void {
    this.#worker?.postMessage(order);
  }

  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const { library, hosts, threads } = this.#options;
    const worker = threads.take({
      ...{ libraryDir: library.dir, hosts },
      ...{ progress: this.#progress, places: library.places.shared },
    });
    worker.on('message', (message: FromTapeThread) => this.#take(message));
    worker.once('error', (error) => void this.#failed(error.message));
    worker.once('exit', (code) => void this.#failed(`ended with ${code}`));
    this.#worker = worker;
    return worker;
  }

  #take(message: FromTapeThread): void {
    if ('report' in message) this.#options.onReport(message.report);
    else if ('localDial' in message) this.#options.onLocalDial(message.localDial);
    else {
      const waiting = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      if ('failure' in message) waiting?.reject(new Error(message.failure));
      else waiting?.resolve(message.value);
    }
  }

  /** The drive is taken back, every call fails, the mover is lost, and later calls start a new thread. */
  async #failed(why: string): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    const takeBack = this.#takeBack;
    this.#takeBack = undefined;
    takeBack?.();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject } of calls) reject(new Error(`the tape thread failed: ${why}`));
    this.#options.onReport({
      type: 'moverHalted',
      reason: MOVER_HALT.internalError,
      text: `the tape thread failed: ${why}`,
    });
    await worker.terminate();
    takeBack?.(); // it may have been about to open the drive
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
