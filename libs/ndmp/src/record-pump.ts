// The mover's byte pump over a StreamPort and a TapeDrive: asks mover-transfer.ts what comes next and
// does it, one step after the other. It reports each pause and the end once, when the tape is no
// longer touched. Memory: two records when it writes the tape, one when it reads.

import type { NdmpAddress } from './addresses.ts';
import { MOVER_HALT, MOVER_MODE, NDMP_ERROR, TAPE_MTIO, U32_MAX } from './constants.ts';
import {
  asked,
  halted,
  NO_TRANSFER,
  nextAction,
  ordered,
  progressOf,
  received,
  recordRead,
  recordWritten,
  sent,
  spaced,
  type Transfer,
  type TransferAction,
  tapeRefused,
  type Verdict,
} from './mover-transfer.ts';
import { type CollectedRecord, RecordCollector } from './record-collector.ts';
import type {
  ByteStream,
  MoverOrder,
  MoverProgress,
  MoverPump,
  MoverReport,
  Outcome,
  StreamListener,
  StreamPort,
  TapeDrive,
} from './server-ports.ts';

type Step = Exclude<TransferAction, Verdict | { do: 'wait' }>;

export class RecordPump implements MoverPump {
  readonly #streams: StreamPort;
  readonly #onReport: (report: MoverReport) => void;
  #listener: StreamListener | undefined;
  #stream: ByteStream | undefined;
  #drive: TapeDrive | undefined;
  #transfer: Transfer = NO_TRANSFER;
  #collector: RecordCollector | undefined;
  #collected: CollectedRecord | undefined;
  #held: Buffer = Buffer.alloc(0);
  #peerEnd: 'closed' | 'broken' | undefined;
  /** What was begun before the last abort or close says and does nothing any more. */
  #turn = 0;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  /** An order that came before its connection: LOCAL joins both ends at once. */
  #isOrdered = false;
  #wake: (() => void) | undefined;

  constructor(streams: StreamPort, onReport: (report: MoverReport) => void) {
    this.#streams = streams;
    this.#onReport = onReport;
  }

  async listen(addressType: number): Promise<Outcome & { readonly address?: NdmpAddress }> {
    const turn = this.#turn;
    const { error, listener } = await this.#streams.listen(addressType);
    if (listener === undefined) return { error };
    if (turn !== this.#turn) {
      listener.accepted.then(
        ({ stream }) => stream.destroy(),
        () => undefined,
      );
      listener.close();
      return { error: NDMP_ERROR.connect };
    }
    this.#listener = listener;
    listener.accepted.then(
      ({ stream, peer }) => this.#accepted(turn, stream, peer),
      () => this.#report(turn, { type: 'moverHalted', reason: MOVER_HALT.connectError }),
    );
    return { error, address: listener.address };
  }

  async connect(address: NdmpAddress): Promise<Outcome & { readonly address?: NdmpAddress }> {
    const turn = this.#turn;
    const { error, stream, peer } = await this.#streams.dial(address);
    if (stream === undefined) return { error };
    if (turn !== this.#turn) {
      stream.destroy();
      return { error: NDMP_ERROR.connect };
    }
    this.#adopt(turn, stream);
    return { error, address: peer ?? address };
  }

  run(order: MoverOrder, drive: TapeDrive): void {
    this.#drive = drive;
    this.#transfer = ordered(this.#transfer, order);
    this.#held = Buffer.alloc(0);
    this.#isOrdered = true;
    this.#start();
  }

  read(offset: bigint, length: bigint): void {
    this.#transfer = asked(this.#transfer, offset, length);
    this.#wake?.();
  }

  progress(): MoverProgress {
    return progressOf(this.#transfer);
  }

  close(): void {
    const stream = this.#detach();
    void this.#running.then(() => stream?.end()).catch(() => stream?.destroy());
  }

  async abort(): Promise<void> {
    this.#detach()?.destroy();
    await this.#running;
  }

  release(): void {
    this.#detach()?.destroy();
    this.#transfer = NO_TRANSFER;
  }

  #detach(): ByteStream | undefined {
    const stream = this.#stream;
    this.#turn += 1;
    this.#isRunning = false;
    this.#isOrdered = false;
    this.#listener?.close();
    this.#listener = undefined;
    this.#stream = undefined;
    this.#collector = undefined;
    this.#collected = undefined;
    this.#held = Buffer.alloc(0);
    this.#peerEnd = undefined;
    this.#wake?.();
    return stream;
  }

  #accepted(turn: number, stream: ByteStream, peer: NdmpAddress): void {
    if (turn !== this.#turn) {
      stream.destroy();
      return;
    }
    this.#listener = undefined;
    this.#adopt(turn, stream);
    this.#report(turn, { type: 'moverPeerConnected', address: peer });
  }

  #adopt(turn: number, stream: ByteStream): void {
    this.#stream = stream;
    void stream.peerEnd.then((how) => {
      if (turn === this.#turn) this.#onPeerEnd(how);
    });
    if (this.#isOrdered) this.#start();
  }

  /** A mover that sends learns here that nobody listens; one that receives, from its reads. */
  #onPeerEnd(how: 'closed' | 'broken'): void {
    this.#peerEnd = how;
    if (this.#transfer.order.mode !== MOVER_MODE.write) return;
    if (this.#isRunning) this.#wake?.();
    else this.#start();
  }

  #report(turn: number, report: MoverReport): void {
    if (turn === this.#turn) this.#onReport(report);
  }

  #start(): void {
    if (this.#isRunning || this.#stream === undefined) return;
    const turn = this.#turn;
    this.#isRunning = true;
    this.#isOrdered = false;
    this.#running = this.#running
      .then(() => this.#loop(turn))
      .catch(() => {
        // A port that throws is a bug, which must not stay silent towards the DMA.
        this.#isRunning = false;
        this.#report(turn, { type: 'moverHalted', reason: MOVER_HALT.internalError });
      });
  }

  async #loop(turn: number): Promise<void> {
    while (turn === this.#turn) {
      this.#noticePeerEnd();
      const action = nextAction(this.#transfer);
      if (action.do === 'pause' || action.do === 'halt') {
        this.#conclude(turn, action);
        return;
      }
      if (action.do === 'wait') await this.#untilWoken();
      else {
        const after = await this.#perform(action);
        if (turn !== this.#turn) return;
        this.#transfer = after(this.#transfer);
      }
    }
  }

  #noticePeerEnd(): void {
    if (this.#peerEnd === undefined || this.#transfer.order.mode !== MOVER_MODE.write) return;
    const isOrderly = this.#peerEnd === 'closed';
    const reason = isOrderly ? MOVER_HALT.connectClosed : MOVER_HALT.connectError;
    this.#transfer = halted(this.#transfer, reason);
  }

  #conclude(turn: number, verdict: Verdict): void {
    this.#isRunning = false;
    if (verdict.do === 'pause') {
      const { reason, seekPosition } = verdict;
      this.#report(turn, { type: 'moverPaused', reason, seekPosition });
      return;
    }
    const { reason } = verdict;
    const stream = this.#stream;
    this.#stream = undefined;
    if (reason === MOVER_HALT.connectClosed) {
      void stream?.end().catch(() => stream.destroy());
    } else stream?.destroy();
    this.#report(turn, { type: 'moverHalted', reason });
  }

  #untilWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** Does one step; what it returns is the change that the step made, for a transfer still wanted. */
  async #perform(step: Step): Promise<(transfer: Transfer) => Transfer> {
    switch (step.do) {
      case 'receive':
        return this.#receive();
      case 'writeRecord':
        return this.#writeRecord(step.padBytes);
      case 'readRecord':
        return this.#readRecord();
      case 'space':
        return this.#space(step.records);
      case 'send':
        return this.#send(step.from, step.sizeBytes);
    }
  }

  async #receive(): Promise<(transfer: Transfer) => Transfer> {
    const stream = this.#stream;
    if (stream === undefined) return (transfer) => transfer;
    this.#collector ??= new RecordCollector(stream, this.#transfer.order.recordSizeBytes);
    try {
      const record = await this.#collector.take();
      this.#collected = record;
      return (transfer) => received(transfer, record.sizeBytes, record.isOver);
    } catch {
      return (transfer) => halted(transfer, MOVER_HALT.connectError);
    }
  }

  async #writeRecord(padBytes: number): Promise<(transfer: Transfer) => Transfer> {
    const record = this.#collected;
    if (record === undefined || this.#drive === undefined) throw new Error('no record to write');
    record.buffer.fill(0, record.buffer.length - padBytes);
    const { error } = await this.#drive.write(record.buffer);
    return error === NDMP_ERROR.noError
      ? recordWritten
      : (transfer) => tapeRefused(transfer, error);
  }

  async #readRecord(): Promise<(transfer: Transfer) => Transfer> {
    const { recordSizeBytes, crossing } = this.#transfer.order;
    if (this.#drive === undefined) throw new Error('no drive to read from');
    const { error, data } = await this.#drive.read({ sizeBytes: recordSizeBytes, crossing });
    if (error !== NDMP_ERROR.noError) return (transfer) => tapeRefused(transfer, error);
    this.#held = data;
    return (transfer) => recordRead(transfer, data.length);
  }

  async #space(records: bigint): Promise<(transfer: Transfer) => Transfer> {
    const { order } = this.#transfer;
    if (this.#drive === undefined) throw new Error('no drive to space on');
    const { blockSize } = await this.#drive.status();
    const isFixed = blockSize > 0 && blockSize !== U32_MAX;
    const blocks = isFixed ? Math.ceil(order.recordSizeBytes / blockSize) : 1;
    const distance = records < 0n ? -records : records;
    // One request moves as far as its word can say; the rest follows with the next step.
    const most = BigInt(Math.floor(U32_MAX / blocks));
    const count = distance < most ? distance : most;
    const operation = records < 0n ? TAPE_MTIO.backwardRecords : TAPE_MTIO.forwardRecords;
    const { crossing } = order;
    const moved = await this.#drive.space({ operation, count: Number(count) * blocks, crossing });
    if (moved.error !== NDMP_ERROR.noError) {
      return (transfer) => tapeRefused(transfer, moved.error);
    }
    const residual = BigInt(Math.ceil(moved.residualCount / blocks));
    return (transfer) => spaced(transfer, records < 0n ? -count : count, residual);
  }

  async #send(from: number, sizeBytes: number): Promise<(transfer: Transfer) => Transfer> {
    // Counted before it is gone: the peer may ask for more before the write is known to be done.
    this.#transfer = sent(this.#transfer, sizeBytes);
    try {
      await this.#stream?.write(this.#held.subarray(from, from + sizeBytes));
      return (transfer) => transfer;
    } catch {
      const isOrderly = this.#peerEnd === 'closed';
      const reason = isOrderly ? MOVER_HALT.connectClosed : MOVER_HALT.connectError;
      return (transfer) => halted(transfer, reason);
    }
  }
}
