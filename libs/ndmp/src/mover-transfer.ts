// What the mover does next with its record, its tape and its data connection: all arithmetic of
// records, windows and seeks, and no byte of data. A pump asks `nextAction`, does it, and tells what
// came of it. Offsets are the backup stream's.

import { MOVER_HALT, MOVER_MODE, MOVER_PAUSE, NDMP_ERROR } from './constants.ts';
import { isEndless, WHOLE_STREAM } from './mover-window.ts';
import type { MoverOrder, MoverProgress } from './server-ports.ts';

export interface Transfer {
  readonly order: MoverOrder;
  readonly bytesMoved: bigint;
  readonly recordNumber: number;
  /** Mode read: bytes of the record in memory, and whether the stream has ended behind them. */
  readonly collected: number;
  readonly isStreamOver: boolean;
  /** Mode read: records written into this window, in bytes. */
  readonly windowWritten: bigint;
  /** Mode write: the next byte wanted, and how many with it. */
  readonly position: bigint;
  readonly bytesLeft: bigint;
  /** Mode write: the record of the window that the tape stands before. */
  readonly tapeRecord: bigint;
  /** Mode write: the record in memory, by its index in the window. */
  readonly held: { readonly record: bigint; readonly sizeBytes: number } | undefined;
  /** Set by an outcome that ends or interrupts the transfer. */
  readonly verdict: Verdict | undefined;
}

export type Verdict =
  | { readonly do: 'pause'; readonly reason: number; readonly seekPosition: bigint }
  | { readonly do: 'halt'; readonly reason: number };

export type TransferAction =
  /** Collect a record from the stream. */
  | { readonly do: 'receive' }
  /** Write the record, filled up with zeros. */
  | { readonly do: 'writeRecord'; readonly padBytes: number }
  /** Move the tape by whole records; negative is backward. */
  | { readonly do: 'space'; readonly records: bigint }
  | { readonly do: 'readRecord' }
  /** Send this part of the record in memory. */
  | { readonly do: 'send'; readonly from: number; readonly sizeBytes: number }
  /** Nothing to do until MOVER_READ. */
  | { readonly do: 'wait' }
  | Verdict;

export const NO_TRANSFER: Transfer = {
  order: {
    mode: MOVER_MODE.noAction,
    recordSizeBytes: 1,
    window: WHOLE_STREAM,
    windowIsNew: true,
    crossing: false,
  },
  bytesMoved: 0n,
  recordNumber: 0,
  collected: 0,
  isStreamOver: false,
  windowWritten: 0n,
  position: 0n,
  bytesLeft: 0n,
  tapeRecord: 0n,
  held: undefined,
  verdict: undefined,
};

export function progressOf(transfer: Transfer): MoverProgress {
  const { bytesMoved, recordNumber, bytesLeft } = transfer;
  return { bytesMoved, recordNumber, bytesLeftToRead: bytesLeft };
}

/** A new order, at the start or after a pause. The tape stands where the order's window says. */
export function ordered(transfer: Transfer, order: MoverOrder): Transfer {
  const base = { ...transfer, order, verdict: undefined, held: undefined };
  const size = BigInt(order.recordSizeBytes);
  if (order.windowIsNew) {
    const recordNumber = wrapped(order.window.offset / size);
    return { ...base, recordNumber, windowWritten: 0n, tapeRecord: 0n };
  }
  // The window goes on: so does the tape, with the record that was wanted when the mover paused.
  const isInside = transfer.position >= order.window.offset;
  const wanted = isInside ? (transfer.position - order.window.offset) / size : 0n;
  return { ...base, tapeRecord: wanted };
}

/** MOVER_READ. */
export function asked(transfer: Transfer, offset: bigint, length: bigint): Transfer {
  return { ...transfer, position: offset, bytesLeft: length };
}

export function nextAction(transfer: Transfer): TransferAction {
  if (transfer.verdict !== undefined) return transfer.verdict;
  return transfer.order.mode === MOVER_MODE.read ? nextToTape(transfer) : nextToStream(transfer);
}

function nextToTape(transfer: Transfer): TransferAction {
  const { order, collected, isStreamOver } = transfer;
  const isReady = collected === order.recordSizeBytes || (isStreamOver && collected > 0);
  if (isReady) {
    const after = transfer.windowWritten + BigInt(order.recordSizeBytes);
    const isBeyond = !isEndless(order.window) && after > order.window.length;
    if (isBeyond) return pauseAt(transfer, MOVER_PAUSE.eow);
    return { do: 'writeRecord', padBytes: order.recordSizeBytes - collected };
  }
  return isStreamOver ? { do: 'halt', reason: MOVER_HALT.connectClosed } : { do: 'receive' };
}

function nextToStream(transfer: Transfer): TransferAction {
  const { order, position, bytesLeft, held } = transfer;
  if (bytesLeft === 0n) return { do: 'wait' };
  const { offset, length } = order.window;
  const isInside = position >= offset && position - offset < length;
  if (!isInside) return pauseAt(transfer, MOVER_PAUSE.seek);
  const size = BigInt(order.recordSizeBytes);
  const record = (position - offset) / size;
  if (held?.record !== record) {
    const records = record - transfer.tapeRecord;
    return records === 0n ? { do: 'readRecord' } : { do: 'space', records };
  }
  const from = Number((position - offset) % size);
  // A record shorter than the mover's own was not written by a mover: what is not there is lost.
  if (from >= held.sizeBytes) return { do: 'halt', reason: MOVER_HALT.mediaError };
  const toWindowEnd = offset + length - position;
  const most = minimum(bytesLeft, toWindowEnd, BigInt(held.sizeBytes - from));
  return { do: 'send', from, sizeBytes: Number(most) };
}

function pauseAt(transfer: Transfer, reason: number): Verdict {
  const { order, position, windowWritten } = transfer;
  const written = order.window.offset + windowWritten;
  const seekPosition = order.mode === MOVER_MODE.read ? written : position;
  return { do: 'pause', reason, seekPosition };
}

/** The record has this many bytes now; `isOver` when the stream ended behind them. */
export function received(transfer: Transfer, collected: number, isOver: boolean): Transfer {
  return { ...transfer, collected, isStreamOver: isOver };
}

export function recordWritten(transfer: Transfer): Transfer {
  return {
    ...transfer,
    bytesMoved: transfer.bytesMoved + BigInt(transfer.collected),
    recordNumber: wrapped(BigInt(transfer.recordNumber) + 1n),
    windowWritten: transfer.windowWritten + BigInt(transfer.order.recordSizeBytes),
    collected: 0,
  };
}

export function recordRead(transfer: Transfer, sizeBytes: number): Transfer {
  const record = transfer.tapeRecord;
  return {
    ...transfer,
    held: { record, sizeBytes },
    tapeRecord: record + 1n,
    recordNumber: numberOf(transfer, record),
  };
}

/** The tape moved; what is missing was stopped by a filemark or an end. */
export function spaced(transfer: Transfer, records: bigint, residual: bigint): Transfer {
  const done = records > 0n ? records - residual : records + residual;
  const moved = { ...transfer, tapeRecord: transfer.tapeRecord + done };
  if (residual === 0n) return moved;
  // Backwards there is no filemark inside a window: the tape is not what the window says.
  const verdict: Verdict =
    records > 0n
      ? pauseAt(transfer, MOVER_PAUSE.eof)
      : { do: 'halt', reason: MOVER_HALT.mediaError };
  return { ...moved, verdict };
}

export function sent(transfer: Transfer, sizeBytes: number): Transfer {
  const size = BigInt(sizeBytes);
  return {
    ...transfer,
    position: transfer.position + size,
    bytesLeft: transfer.bytesLeft - size,
    bytesMoved: transfer.bytesMoved + size,
  };
}

/** The tape refused the last action: NDMP_ERROR. */
export function tapeRefused(transfer: Transfer, error: number): Transfer {
  const isReading = transfer.order.mode === MOVER_MODE.write;
  if (error === NDMP_ERROR.eom) {
    // Before v4 the end of data reads like a filemark.
    const isBlank = isReading && transfer.order.crossing;
    const reason = isBlank ? MOVER_PAUSE.eof : MOVER_PAUSE.eom;
    return { ...transfer, verdict: pauseAt(transfer, reason) };
  }
  if (error === NDMP_ERROR.eof && isReading) {
    return { ...transfer, verdict: pauseAt(transfer, MOVER_PAUSE.eof) };
  }
  return halted(transfer, MOVER_HALT.mediaError);
}

/** The data connection ended: in order when all was said, or not. */
export function halted(transfer: Transfer, reason: number): Transfer {
  return { ...transfer, verdict: { do: 'halt', reason } };
}

function numberOf({ order }: Transfer, record: bigint): number {
  return wrapped(order.window.offset / BigInt(order.recordSizeBytes) + record);
}

function wrapped(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

function minimum(...values: bigint[]): bigint {
  let least = values[0] ?? 0n;
  for (const value of values) if (value < least) least = value;
  return least;
}
