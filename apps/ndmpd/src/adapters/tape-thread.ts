// The thread of one session's tape: it holds the open drive, the mover and the data connection. Saving a tape's data can
// block for seconds; here that holds up nobody else, and a stream goes from its socket to the tape without a detour.

import { type MessagePort, parentPort } from 'node:worker_threads';
import { type MoverReport, NDMP_ERROR, RecordPump } from '@tapestry/ndmp';
import { openVirtualDrive } from '@tapestry/storage';
import { TapePlaces } from '../core/tape-places.ts';
import {
  type FromTapeThread,
  PROGRESS,
  type TapeCall,
  type TapeOrder,
  type TapeThreadOptions,
  type ToTapeThread,
} from '../core/tape-protocol.ts';
import { MoverStreams } from './mover-streams.ts';
import { openTape } from './tape-open.ts';
import type { TapeUnit } from './tape-unit.ts';

class TapeThread {
  readonly #send: (message: FromTapeThread) => void;
  readonly #options: TapeThreadOptions;
  readonly #counters: BigInt64Array;
  readonly #streams: MoverStreams;
  readonly #pump: RecordPump;
  #drive: TapeUnit | undefined;
  readonly #places: TapePlaces;
  #driveIndex = -1;
  #isPublishing = false;

  constructor(port: MessagePort, options: TapeThreadOptions) {
    this.#send = (message) => port.postMessage(message);
    this.#options = options;
    this.#counters = new BigInt64Array(options.progress);
    this.#places = new TapePlaces(options.places);
    this.#streams = new MoverStreams({
      hosts: options.hosts,
      onLocalDial: (path) => this.#send({ localDial: path }),
      onMoved: () => this.#onMoved(),
    });
    this.#pump = new RecordPump(this.#streams, (report: MoverReport) => {
      this.#publish();
      this.#send({ report });
    });
    port.on('message', (message: ToTapeThread) => {
      if ('call' in message) void this.#answer(message);
      else if ('order' in message) this.#obey(message);
    });
  }

  async #answer({ id, ...call }: TapeCall & { id: number }): Promise<void> {
    try {
      this.#send({ id, value: await this.#perform(call as TapeCall) });
    } catch (error) {
      this.#send({ id, failure: error instanceof Error ? String(error.stack) : String(error) });
    }
  }

  async #perform(call: TapeCall): Promise<unknown> {
    switch (call.call) {
      case 'open':
        return this.#open(call);
      case 'status':
        return this.#opened().status();
      case 'space':
        return this.#opened().space(call.order);
      case 'write':
        return this.#opened().write(asBuffer(call.data));
      case 'read':
        return this.#opened().read(call.order);
      case 'executeCdb': {
        const { cdb, dataOut, ...order } = call.order;
        const buffers = { cdb: asBuffer(cdb), dataOut: asBuffer(dataOut) };
        return this.#opened().executeCdb({ ...order, ...buffers });
      }
      case 'close':
        return this.#close(call.how);
      case 'moverListen': {
        const outcome = await this.#pump.listen(call.addressType);
        return { ...outcome, localPath: this.#streams.localPath };
      }
      case 'moverConnect':
        return this.#pump.connect(call.address);
      case 'moverAbort':
        await this.#pump.abort();
        return this.#publish();
    }
  }

  async #open({ place, grantId, mode }: Extract<TapeCall, { call: 'open' }>) {
    const { libraryDir } = this.#options;
    const { driveIndex, serial } = place;
    const { error, drive } = await openTape(
      (owner) => openVirtualDrive({ libraryDir, driveIndex, owner }),
      { grantId, serial, mode, placeOf: (barcode) => this.#places.get(driveIndex, barcode) },
    );
    this.#drive = drive;
    if (drive !== undefined) {
      this.#driveIndex = driveIndex;
      this.#places.forget(driveIndex); // until it is closed, nobody knows
    }
    return { error };
  }

  /** The place is written down while the drive is still ours. */
  async #close(how: 'flush' | 'discard') {
    const drive = this.#opened();
    const place = how === 'flush' ? await drive.place() : undefined;
    if (place !== undefined) this.#places.set(this.#driveIndex, place.barcode, place);
    const outcome = await drive.close(how);
    if (outcome.error !== NDMP_ERROR.noError) this.#places.forget(this.#driveIndex);
    return outcome;
  }

  #opened(): TapeUnit {
    if (this.#drive === undefined) throw new Error('no drive is open in this thread');
    return this.#drive;
  }

  #obey(order: TapeOrder): void {
    switch (order.order) {
      case 'run':
        this.#pump.run(order.mover, this.#opened());
        break;
      case 'read':
        this.#pump.read(order.offset, order.length);
        break;
      case 'close':
        this.#pump.close();
        break;
      case 'release':
        this.#pump.release();
    }
    this.#publish();
  }

  /** At once, because a peer that has its bytes may ask for more; and after the pump had its turn with what moved. */
  #onMoved(): void {
    this.#publish();
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    setImmediate(() => {
      this.#isPublishing = false;
      this.#publish();
    });
  }

  #publish(): void {
    const { bytesMoved, recordNumber, bytesLeftToRead } = this.#pump.progress();
    Atomics.store(this.#counters, PROGRESS.bytesMoved, BigInt.asIntN(64, bytesMoved));
    Atomics.store(this.#counters, PROGRESS.recordNumber, BigInt(recordNumber));
    Atomics.store(this.#counters, PROGRESS.bytesLeftToRead, BigInt.asIntN(64, bytesLeftToRead));
  }
}

/** What was a Buffer arrives as plain bytes. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

parentPort?.once('message', (message: ToTapeThread) => {
  if (parentPort !== null && 'begin' in message) new TapeThread(parentPort, message.begin);
});
