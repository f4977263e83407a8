// One stream in a drive process, on its main thread: the way from the open drive over the listener and the ring to the
// closed fragment, and what can break into it from outside (finish, ranges, abort, lease, a broken connection).

import type net from 'node:net';
import { asStatusError, StatusError } from '@tapestry/status';
import { isOfVolume } from '../core/exchange.ts';
import { DataConnection } from './data-connection.ts';
import type {
  Failure,
  Finish,
  FromDrive,
  NextVolume,
  Order,
  Range,
  ReadOrder,
  ToDrive,
  WriteOrder,
} from './messages.ts';
import { Receiver } from './receiver.ts';
import { makeRingMemory, Ring } from './ring.ts';
import { Sender } from './sender.ts';
import type { DriveLink } from './thread-link.ts';

const PROGRESS_MS = 500;
/** The drive thread gets this long to come out of a call when the stream is broken off. */
const STOP_MAX_MS = 20_000;
/** How long after the data server's end its connection may take to end too. */
const FINISH_MAX_MS = 120_000;
/** How long after the connection's end the data server may take to say that all is well. */
const PEER_CLOSE_GRACE_MS = 60_000;
const SLOTS_MAX = 128;
const SLOTS_MIN = 4;
/** Blocks that are gathered before the drive thread is woken. */
const WAKE_BLOCKS = 8;
const NOT_WANTED = new StatusError('interrupted', 'the data server reads no more');
/** A stream without data has the least of rings. */
const NO_DATA_BLOCK_BYTES = 4_096;
/** Length of a range that goes to the end of the image. */
export const TO_THE_END = 0xffff_ffff_ffff_ffffn;

export class StreamSession {
  readonly #order: Order;
  readonly #report: (message: FromDrive) => void;
  readonly #ring: Ring;
  readonly #thread: DriveLink;
  readonly #ranges: Range[] = [];
  #rangesDone = false;
  #wakeRanges: () => void = () => undefined;
  #finish = Promise.withResolvers<Finish>();
  #broken = Promise.withResolvers<never>();
  #connection: DataConnection | undefined;
  #receiver: Receiver | undefined;
  #sender: Sender | undefined;
  /** Set while another volume is waited for. */
  #volume: PromiseWithResolvers<NextVolume> | undefined;
  /** What the data server says that it has sent. */
  #expected: bigint | undefined;
  #leaseTimer: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;

  /** `bell`: shared with the rings of other streams on the same drive. */
  constructor(
    order: Order,
    thread: DriveLink,
    report: (message: FromDrive) => void,
    bell: SharedArrayBuffer | null = null,
  ) {
    this.#order = order;
    this.#thread = thread;
    this.#report = report;
    const slots = slotCount(order);
    const wakeBlocks = order.mode === 'write' ? Math.min(WAKE_BLOCKS, slots / 4) : 1;
    this.#ring = new Ring(makeRingMemory(slots, blockSizeOf(order), wakeBlocks, bell));
    this.#broken.promise.catch(() => undefined);
    this.#renewLease(order.leaseMs);
  }

  get bytes(): bigint {
    return this.#receiver?.totalBytes ?? this.#sender?.sentBytes ?? 0n;
  }

  /** Resolves with the stream's bytes when all is closed; the drive is given back in every case. */
  async run(): Promise<bigint> {
    const progress = setInterval(
      () => this.#report({ type: 'progress', bytes: this.bytes }),
      PROGRESS_MS,
    );
    try {
      await this.#thread.call('useRing', this.#ring.memory);
      const order = this.#order;
      const bytes = await Promise.race([this.#work(order), this.#broken.promise]);
      await this.#thread.call('closeDrive');
      return bytes;
    } catch (error) {
      // Told before the connection goes: the filer notices that at once, and its complaint must not be heard first.
      const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
      this.#report({ type: 'failed', failure: { status, detail }, bytes: this.bytes });
      await this.#breakOff();
      throw error;
    } finally {
      clearInterval(progress);
      clearTimeout(this.#leaseTimer);
      clearTimeout(this.#endTimer);
    }
  }

  async #work(order: Order): Promise<bigint> {
    switch (order.mode) {
      case 'write':
        return this.#write(order);
      case 'read':
        return this.#read(order);
      case 'label':
        await this.#thread.call('labelMedium', order);
        return 0n;
    }
  }

  hear(message: Exclude<ToDrive, { type: 'start' }>): void {
    switch (message.type) {
      case 'lease':
        this.#renewLease(message.validForMs);
        break;
      case 'finish':
        this.#finishAsked(message);
        break;
      case 'range':
        this.#ranges.push({ offset: message.offset, length: message.length });
        this.#wakeRanges();
        break;
      case 'dial':
        void this.#dial(message);
        break;
      case 'volume':
        this.#volume?.resolve(message);
        break;
      case 'abort':
        this.#break(new StatusError('interrupted', message.reason));
    }
  }

  async #write(order: WriteOrder): Promise<bigint> {
    const opened = await this.#thread.call('openForWrite', order);
    this.#report({ type: 'positioned', ...opened });
    const connection = await this.#connect(order);
    this.#receiver = new Receiver(this.#ring, connection, {
      onEnd: () => undefined,
      onBroken: (error) =>
        this.#break(
          new StatusError('socketReadFailed', `the data connection broke: ${error.message}`),
        ),
    });
    const bytes = await this.#writeOnVolumes();
    this.#report({ type: 'endOfStream', bytes });
    const { expectedBytes, env } = await this.#finish.promise;
    if (bytes !== expectedBytes) throw wrongCount(bytes, expectedBytes);
    clearTimeout(this.#endTimer);
    await this.#thread.call('closeFragment', { env });
    return bytes;
  }

  /** The stream, upon as many volumes as it needs. */
  async #writeOnVolumes(): Promise<bigint> {
    for (;;) {
      const { bytes, full } = await this.#thread.call('writeStream');
      if (!full) return bytes;
      await this.#goOn('');
    }
  }

  /**
   * Gives the drive back, and goes on once another volume is in it. To write, one that may not be written is refused, and
   * another asked for: it is for the stream's owner to say how often.
   */
  async #goOn(mediaId: string): Promise<void> {
    clearTimeout(this.#endTimer);
    let refused: Failure | null = null;
    for (;;) {
      await this.#thread.call('closeDrive');
      this.#volume = Promise.withResolvers<NextVolume>();
      this.#report({ type: 'volumeNeeded', mediaId, refused });
      const next = await this.#volume.promise;
      try {
        const opened = await this.#thread.call('openNext', next);
        this.#report({ type: 'positioned', ...opened });
        break;
      } catch (error) {
        const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
        if (mediaId !== '' || !isOfVolume({ status, detail })) throw error;
        refused = { status, detail };
      }
    }
    this.#endTimer = undefined;
    this.#volume = undefined;
    if (this.#expected !== undefined) this.#awaitEnd(this.#expected);
  }

  async #read(order: ReadOrder): Promise<bigint> {
    const { fileNumber } = await this.#thread.call('openForRead', order);
    this.#report({ type: 'positioned', labelled: false, fileNumber });
    const connection = await this.#connect(order);
    const sender = new Sender(this.#ring, connection, (error) => this.#peerClosed(error));
    this.#sender = sender;
    const sending = sender.run();
    await this.#sendRanges(sender);
    this.#ring.end();
    await sending;
    if (!this.#rangesDone) await sender.end();
    this.#report({ type: 'endOfStream', bytes: sender.sentBytes });
    await this.#finish.promise;
    sender.destroy();
    return sender.sentBytes;
  }

  async #sendRanges(sender: Sender): Promise<void> {
    for (let range = await this.#nextRange(); range !== null; range = await this.#nextRange()) {
      try {
        await this.#sendRange(range);
      } catch (error) {
        // The data server took what it wanted; whether that was well, `finish` says.
        if (this.#rangesDone || sender.broken) return;
        throw error;
      }
      // Nothing can follow the end of the image: the filer learns it by the end of the stream.
      if (range.length === TO_THE_END) return;
    }
  }

  /** From volume to volume. */
  async #sendRange(range: Range): Promise<void> {
    let { offset, length } = range;
    for (;;) {
      const { bytes, wanted } = await this.#thread.call('readRange', { offset, length });
      if (wanted === '') return;
      offset += bytes;
      if (length !== TO_THE_END) length -= bytes;
      await this.#goOn(wanted);
    }
  }

  async #connect(order: Order): Promise<net.Socket> {
    const connection = await DataConnection.open(order.connection, this.#report);
    this.#connection = connection;
    // Broken off while it was opened.
    this.#broken.promise.catch(() => connection.close());
    return connection.socket;
  }

  async #dial({ sequence, addresses }: ToDrive & { type: 'dial' }): Promise<void> {
    const connection = this.#connection;
    if (connection !== undefined) return connection.dial(sequence, addresses);
    const detail = 'the stream does not listen yet';
    const failure = { status: 'invalidRequest', detail } as const;
    this.#report({ type: 'dialFailed', sequence, failure });
  }

  async #nextRange(): Promise<Range | null> {
    while (this.#ranges.length === 0 && !this.#rangesDone && this.#sender?.broken !== true) {
      await new Promise<void>((resolve) => {
        this.#wakeRanges = resolve;
      });
    }
    // Once the data server has halted it reads no more: what is still queued has no taker.
    if (this.#rangesDone || this.#sender?.broken === true) return null;
    return this.#ranges.shift() ?? null;
  }

  #finishAsked({ expectedBytes, env }: Finish): void {
    this.#finish.resolve({ expectedBytes, env });
    this.#rangesDone = true;
    this.#wakeRanges();
    if (this.#order.mode === 'read') {
      this.#ring.stop();
      this.#volume?.reject(NOT_WANTED);
      return;
    }
    this.#expected = expectedBytes;
    // While the data waits for a volume its connection cannot end.
    if (this.#volume === undefined) this.#awaitEnd(expectedBytes);
  }

  #awaitEnd(expectedBytes: bigint): void {
    this.#endTimer ??= setTimeout(() => this.#break(this.#noEnd(expectedBytes)), FINISH_MAX_MS);
  }

  #noEnd(expectedBytes: bigint): StatusError {
    const text = `the data server is done with ${expectedBytes} bytes, but its connection does not end`;
    return new StatusError('imageInconsistent', `${text}; ${this.bytes} bytes came`);
  }

  /** A data server may close once it has what it wants; `finish` then says that this was well. */
  #peerClosed(error: Error | undefined): void {
    this.#ring.stop();
    this.#volume?.reject(NOT_WANTED);
    this.#wakeRanges();
    if (this.#rangesDone) return;
    const why = error?.message ?? 'closed';
    this.#endTimer ??= setTimeout(
      () =>
        this.#break(new StatusError('networkBroken', `the data connection ended early: ${why}`)),
      PEER_CLOSE_GRACE_MS,
    );
  }

  #break(error: StatusError): void {
    this.#broken.reject(error);
    // Here and now: an order to dial may be the next message.
    this.#connection?.close();
    this.#ring.stop();
  }

  /** Ends the connection and lets the drive thread give the drive back, if it can in time. */
  async #breakOff(): Promise<void> {
    this.#ring.stop();
    this.#receiver?.destroy();
    this.#sender?.destroy();
    const closed = this.#thread.call('closeDrive').catch(() => undefined);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, STOP_MAX_MS))]);
  }

  #renewLease(validForMs: number): void {
    clearTimeout(this.#leaseTimer);
    this.#leaseTimer = setTimeout(
      () =>
        this.#break(
          new StatusError('staleGrant', 'the lease could not be renewed in time: writing stopped'),
        ),
      validForMs,
    );
  }
}

function wrongCount(bytes: bigint, expected: bigint): StatusError {
  const text = `${bytes} bytes came, the data server sent ${expected}`;
  return new StatusError(bytes < expected ? 'earlyEof' : 'imageInconsistent', text);
}

function blockSizeOf(order: Order): number {
  if (order.mode === 'write') return order.blockSizeBytes;
  if (order.mode === 'label') return NO_DATA_BLOCK_BYTES;
  return Math.max(...order.fragments.map(({ blockSizeBytes }) => blockSizeBytes));
}

/** A power of two near the memory that was given. */
function slotCount(order: Order): number {
  const slots = 2 ** Math.floor(Math.log2(order.ringBytes / blockSizeOf(order)));
  return Math.min(SLOTS_MAX, Math.max(SLOTS_MIN, slots));
}
