// What a server with tapes and robots puts behind the state machines: small ports that its adapters
// implement. No port throws for what a device says: every outcome carries an NDMP_ERROR, 0 for
// success. A port that throws has a bug: its request is refused as `undefined`, a mover halts with
// internalError. `SessionDevices` performs a session's effects over these ports.

import type { NdmpAddress } from './addresses.ts';
import type { DeviceInfo } from './structures.ts';

/** Nothing but an error word: NDMP_ERROR, 0 for success. */
export interface Outcome {
  readonly error: number;
}

/** A command as SCSI_EXECUTE_CDB and TAPE_EXECUTE_CDB bring it. */
export interface CdbOrder {
  /** SCSI_FLAGS: dataIn, dataOut or 0; both at once never reach a port. */
  readonly flags: number;
  /** 0 is "wait for ever": an adapter puts its own limit in its place. */
  readonly timeoutMs: number;
  readonly dataInLength: number;
  readonly cdb: Buffer;
  readonly dataOut: Buffer;
}

/** `error` 0 means that the device took the command; `status` is its SCSI status byte. */
export interface CdbOutcome extends Outcome {
  readonly status: number;
  /** Bytes of dataOut that the device took. */
  readonly dataOutLength: number;
  /** At most dataInLength bytes. */
  readonly dataIn: Buffer;
  /** Autosense of a CHECK CONDITION, else empty. */
  readonly sense: Buffer;
}

/** TAPE_GET_STATE without its error word; U32_MAX and U64_MAX are "unknown". */
export interface TapeStatus {
  /** Bit mask of the fields that this drive never knows: TAPE_STATE_UNSUPPORTED. */
  readonly unsupported: number;
  /** Bit mask TAPE_STATE_FLAGS. */
  readonly flags: number;
  /** Filemarks between the beginning of the tape and the position. */
  readonly fileNumber: number;
  readonly softErrors: number;
  /** 0: variable blocks. The mover's record must be a multiple of a fixed size. */
  readonly blockSize: number;
  /** Blocks since the last filemark or the beginning of the tape. */
  readonly blockNumber: number;
  readonly totalSpace: bigint;
  readonly spaceRemain: bigint;
}

/**
 * The drives of this host. One object serves all sessions and keeps two of them from one drive.
 */
export interface TapePort {
  /** CONFIG_GET_TAPE_INFO: one element a drive. */
  list(): Promise<DeviceInfo[]>;
  /**
   * Opens a device by a name of `list`. `mode` is a TAPE_OPEN_MODE and was checked. Moves no tape.
   * noDevice: unknown name. deviceBusy: another session or process has it. noTapeLoaded: no medium,
   * in modes read and readWrite. writeProtect: mode readWrite on a protected medium. permission.
   */
  open(device: string, mode: number): Promise<Outcome & { readonly drive?: TapeDrive }>;
}

/**
 * One open drive. Calls come one at a time: the session waits for an outcome before the next call,
 * and while the mover runs only `status` may come beside the mover's own calls.
 *
 * Positions are those of v4 unless `crossing` is said: whoever meets a filemark stays on the side
 * that it came from (SPEC4 3.4). Early warning is told once, by eom with nothing written; the next
 * writes succeed until the physical end, which is io. Implicit filemarks are none of the drive's
 * business: the session asks for them with `space`.
 */
export interface TapeDrive {
  /** Answers also without medium, and while the mover runs. */
  status(): Promise<TapeStatus>;
  /**
   * TAPE_MTIO. `operation` is a TAPE_MTIO, `count` is not 0 where it counts. Less than asked is no
   * error: `residualCount` says what is missing. `crossing` is v2's and v3's rule: a spacing of
   * records that meets a filemark goes over it.
   * writeProtect, noTapeLoaded, io; notSupported for an operation that the drive has not.
   */
  space(order: {
    readonly operation: number;
    readonly count: number;
    readonly crossing: boolean;
  }): Promise<Outcome & { readonly residualCount: number }>;
  /**
   * Writes one record (fixed blocks: several). `count` is data.length or, with an error, 0. `data` is
   * the caller's again once the promise settles.
   * eom: early warning, nothing written. io: physical end or worse. writeProtect, noTapeLoaded.
   * illegalArgs: longer than the drive can, or no multiple of a fixed block.
   */
  write(data: Buffer): Promise<Outcome & { readonly count: number }>;
  /**
   * Reads one record, cut off after `sizeBytes` (fixed blocks: as many as fit). `data` is the
   * caller's to keep.
   * eof: a filemark is next, the position stays before it (`crossing`: goes behind it). eom: end of
   * data, the position stays; v2 and v3 are told eof for it. io, noTapeLoaded, illegalArgs.
   */
  read(order: {
    readonly sizeBytes: number;
    readonly crossing: boolean;
  }): Promise<Outcome & { readonly data: Buffer }>;
  /** notSupported where the drive takes no commands. timeout, io, illegalArgs. */
  executeCdb(order: CdbOrder): Promise<CdbOutcome>;
  /**
   * Gives the drive back. With an error the drive stays open, and the session closes again with
   * 'discard', which does no I/O and always succeeds; so does the end of the session after its
   * closing I/O failed or took too long.
   */
  close(how: 'flush' | 'discard'): Promise<Outcome>;
}

/** The changers of this host, for all sessions. Nothing but changers and tapes may be behind it. */
export interface ScsiPort {
  /** CONFIG_GET_SCSI_INFO: one element a changer. */
  list(): Promise<DeviceInfo[]>;
  /** No I/O. noDevice: unknown name. deviceBusy. notAuthorized: a class of device that is refused. */
  open(device: string): Promise<Outcome & { readonly device?: ScsiDevice }>;
}

export interface ScsiTarget {
  readonly controller: number;
  readonly id: number;
  readonly lun: number;
}

/** One open SCSI device; calls come one at a time. */
export interface ScsiDevice {
  /** SCSI_GET_STATE. notSupported where the numbers mean nothing. */
  target(): Promise<Outcome & ScsiTarget>;
  /** SCSI_SET_TARGET of v2 and v3; notSupported is the usual answer. */
  setTarget(device: string, target: ScsiTarget): Promise<Outcome>;
  resetDevice(): Promise<Outcome>;
  /** SCSI_RESET_BUS of v2 and v3; notSupported is the usual answer. */
  resetBus(): Promise<Outcome>;
  executeCdb(order: CdbOrder): Promise<CdbOutcome>;
  /** Always succeeds. */
  close(): Promise<void>;
}

/**
 * The end of a data connection that the mover holds. Bytes only; one call of each kind at a time.
 */
export interface ByteStream {
  /**
   * The next bytes, as many as are there (at least one, at most `sizeBytesMax`); undefined once the
   * peer closed in order. Rejects when the connection broke. The bytes are the caller's until it
   * calls again.
   */
  read(sizeBytesMax: number): Promise<Buffer | undefined>;
  /**
   * Resolves when the bytes may be reused and more may be sent: this is the back-pressure. Rejects
   * when the peer is gone.
   */
  write(bytes: Buffer): Promise<void>;
  /** Sends what was written, then closes. Resolves when all is sent; gives up by itself in time. */
  end(): Promise<void>;
  /** Closes at once; every pending call rejects. May be called again. */
  destroy(): void;
  /**
   * Resolves when the peer closed ('closed': in order, 'broken': not), also while nobody reads: a
   * mover that sends learns of the end in this way.
   */
  readonly peerEnd: Promise<'closed' | 'broken'>;
}

/**
 * Makes data connections for the mover. LOCAL is the way to the DATA service of the same session,
 * however that is built; the bytes go the same way as over TCP.
 */
export interface StreamPort {
  /**
   * Listens for one connection of this ADDR_TYPE. `address` is what MOVER_LISTEN replies;
   * `accepted` resolves with the first connection, or rejects when the listener failed, timed out
   * or was closed. connect: no listener can be had. illegalArgs: no such address type.
   */
  listen(addressType: number): Promise<Outcome & { readonly listener?: StreamListener }>;
  /** Tries the end points in order, each with a deadline. connect: none answered. */
  dial(
    address: NdmpAddress,
  ): Promise<Outcome & { readonly stream?: ByteStream; readonly peer?: NdmpAddress }>;
}

export interface StreamListener {
  readonly address: NdmpAddress;
  readonly accepted: Promise<{ readonly stream: ByteStream; readonly peer: NdmpAddress }>;
  close(): void;
}

/** What the mover is to do from now on, given at each entry into ACTIVE. */
export interface MoverOrder {
  /** MOVER_MODE.read: stream to tape. MOVER_MODE.write: tape to stream. */
  readonly mode: number;
  readonly recordSizeBytes: number;
  /**
   * The part of the stream that the tape holds from its present position on; `length` U64_MAX minus
   * `offset` is "no end".
   */
  readonly window: { readonly offset: bigint; readonly length: bigint };
  /** False: the window of the last order goes on, with what was written in it. */
  readonly windowIsNew: boolean;
  /** v2 and v3: a read that met a filemark is behind it. */
  readonly crossing: boolean;
}

/** MOVER_GET_STATE's moving numbers; all 0 before the first order and after `release`. */
export interface MoverProgress {
  readonly bytesMoved: bigint;
  readonly recordNumber: number;
  readonly bytesLeftToRead: bigint;
}

/** What a mover says on its own; nothing is said after `abort`, `close` or `release`. */
export type MoverReport =
  | { readonly type: 'moverPeerConnected'; readonly address: NdmpAddress }
  /** The listener is lost. MOVER_HALT */
  | { readonly type: 'moverHalted'; readonly reason: number; readonly text?: string }
  /** MOVER_PAUSE; seekPosition is the next stream offset that would move. */
  | {
      readonly type: 'moverPaused';
      readonly reason: number;
      readonly seekPosition: bigint;
    };

/**
 * The byte pump of one session: it owns the data connection and, while it runs, the tape. It reports
 * each pause and the end once. `RecordPump` is this over a StreamPort and a TapeDrive, with all
 * decisions in `mover-transfer.ts`; a server that wants its bytes in another thread implements this
 * instead.
 */
export interface MoverPump {
  /** Opens a listener. Reports moverPeerConnected, or moverHalted when it is lost. */
  listen(addressType: number): Promise<Outcome & { readonly address?: NdmpAddress }>;
  connect(address: NdmpAddress): Promise<Outcome & { readonly address?: NdmpAddress }>;
  /** Starts or, after a pause, goes on; what a pause interrupted is finished first. */
  run(order: MoverOrder, drive: TapeDrive): void;
  /** MOVER_READ: the next range to send. Replaces a range that is done. */
  read(offset: bigint, length: bigint): void;
  progress(): MoverProgress;
  /** Sends what was read from the tape, then closes in order. Drops what was not written to it. */
  close(): void;
  /** Closes at once and drops everything. Resolves when the tape is no longer touched. */
  abort(): Promise<void>;
  /** MOVER_STOP: forgets the counters. */
  release(): void;
}
