// The DMA's requests to a server's TAPE, MOVER and SCSI services, with what the versions do
// differently behind them. Each rejects with NdmpError as NdmpClient.call does.

import type { NdmpAddress } from './addresses.ts';
import {
  BUTYPE_ATTR,
  BUTYPE_ATTR_V2,
  MOVER_MODE,
  MOVER_PAUSE,
  NDMP_ERROR,
  U64_MAX,
} from './constants.ts';
import type { NdmpVersion, ReplyBody, RequestBody, RequestName } from './messages.ts';
import { isRefusal } from './ndmp-error.ts';

export interface CallOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** NdmpClient.call. */
export type Call = <N extends RequestName>(
  name: N,
  body: RequestBody<N>,
  options?: CallOptions,
) => Promise<ReplyBody<N>>;

type CdbAnswer = ReplyBody<'scsiExecuteCdb'>;

/** One drive of the server; a connection has one device open at most. */
export class TapeClient {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** `mode`: TAPE_OPEN_MODE. Not ready drives refuse with noTapeLoaded or deviceBusy: try again. */
  async open(device: string, mode: number, options?: CallOptions): Promise<void> {
    await this.#call('tapeOpen', { device, mode }, options);
  }

  async close(options?: CallOptions): Promise<void> {
    await this.#call('tapeClose', {}, options);
  }

  getState(options?: CallOptions): Promise<ReplyBody<'tapeGetState'>> {
    return this.#call('tapeGetState', {}, options);
  }

  /** Resolves with what is left of `count`; `operation`: TAPE_MTIO. */
  async mtio(operation: number, count: number, options?: CallOptions): Promise<number> {
    return (await this.#call('tapeMtio', { operation, count }, options)).residualCount;
  }

  /** Resolves with the bytes written: all of them. Rejects with eom once at the early warning. */
  async write(data: Buffer, options?: CallOptions): Promise<number> {
    return (await this.#call('tapeWrite', { data }, options)).count;
  }

  /**
   * One record, or its first `count` bytes. Rejects with eof at a filemark, before which v4 stays and
   * which v2 and v3 go over, and at the end of data with eom (v4) or eof.
   */
  async read(count: number, options?: CallOptions): Promise<Buffer> {
    return (await this.#call('tapeRead', { count }, options)).data;
  }

  executeCdb(body: RequestBody<'tapeExecuteCdb'>, options?: CallOptions): Promise<CdbAnswer> {
    return this.#call('tapeExecuteCdb', body, options);
  }
}

/** One robot of the server. */
export class ScsiClient {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  async open(device: string, options?: CallOptions): Promise<void> {
    await this.#call('scsiOpen', { device }, options);
  }

  async close(options?: CallOptions): Promise<void> {
    await this.#call('scsiClose', {}, options);
  }

  getState(options?: CallOptions): Promise<ReplyBody<'scsiGetState'>> {
    return this.#call('scsiGetState', {}, options);
  }

  /** v2 and v3 only, and seldom supported there. */
  async setTarget(body: RequestBody<'scsiSetTarget'>, options?: CallOptions): Promise<void> {
    await this.#call('scsiSetTarget', body, options);
  }

  async resetDevice(options?: CallOptions): Promise<void> {
    await this.#call('scsiResetDevice', {}, options);
  }

  /** v2 and v3 only. */
  async resetBus(options?: CallOptions): Promise<void> {
    await this.#call('scsiResetBus', {}, options);
  }

  /** The command was delivered: look at `status` and `sense`. Never send a `timeoutMs` of 0. */
  executeCdb(body: RequestBody<'scsiExecuteCdb'>, options?: CallOptions): Promise<CdbAnswer> {
    return this.#call('scsiExecuteCdb', body, options);
  }
}

export interface MoverWindow {
  readonly offset: bigint;
  readonly length: bigint;
}

export interface MoverOpening {
  /** MOVER_MODE.read to back up, MOVER_MODE.write to recover. */
  readonly mode: number;
  readonly recordSizeBytes: number;
  /** Position the tape at its first record before; the whole stream when missing. */
  readonly window?: MoverWindow;
}

const WHOLE_STREAM: MoverWindow = { offset: 0n, length: U64_MAX };

/** The mover of the session; its tape is the one that is open on the same connection. */
export class MoverClient {
  readonly #call: Call;
  readonly #version: () => NdmpVersion;
  #mode: number = MOVER_MODE.noAction;
  /** As it was set last. */
  #recordBytes = 1n;

  constructor(call: Call, version: () => NdmpVersion) {
    this.#call = call;
    this.#version = version;
  }

  getState(options?: CallOptions): Promise<ReplyBody<'moverGetState'>> {
    return this.#call('moverGetState', {}, options);
  }

  /**
   * Record size, window and LISTEN, in the order that the version wants: v4 sets the window before,
   * v2 and v3 after. Resolves with the address for the DATA service.
   */
  async prepareListen(
    opening: MoverOpening & { readonly addressType: number },
    options?: CallOptions,
  ): Promise<NdmpAddress> {
    const { mode, addressType, recordSizeBytes, window = WHOLE_STREAM } = opening;
    await this.setRecordSize(recordSizeBytes, options);
    if (this.#version() === 4) await this.setWindow(window, options);
    const address = await this.listen(mode, addressType, options);
    if (this.#version() < 4) await this.setWindow(window, options);
    return address;
  }

  /** Record size, window and CONNECT; not in v2. */
  async prepareConnect(
    opening: MoverOpening & { readonly address: NdmpAddress },
    options?: CallOptions,
  ): Promise<void> {
    const { mode, address, recordSizeBytes, window = WHOLE_STREAM } = opening;
    await this.setRecordSize(recordSizeBytes, options);
    await this.setWindow(window, options);
    await this.connect(mode, address, options);
  }

  async setRecordSize(recordSize: number, options?: CallOptions): Promise<void> {
    await this.#call('moverSetRecordSize', { recordSize }, options);
    this.#recordBytes = BigInt(recordSize);
  }

  /**
   * Position the tape first. A length of all ones is cut to what is left after `offset`. A window that ends within a record,
   * as the last of an image does, some servers refuse: they are given the whole of that record, padding and all.
   */
  async setWindow({ offset, length }: MoverWindow, options?: CallOptions): Promise<void> {
    const most = U64_MAX - offset;
    const told = length > most ? most : length;
    const rest = told % this.#recordBytes;
    try {
      await this.#call('moverSetWindow', { offset, length: told }, options);
    } catch (error) {
      if (rest === 0n || told === most || !isRefusal(error, NDMP_ERROR.illegalArgs)) throw error;
      const whole = told - rest + this.#recordBytes;
      await this.#call('moverSetWindow', { offset, length: whole }, options);
    }
  }

  async listen(mode: number, addressType: number, options?: CallOptions): Promise<NdmpAddress> {
    const { address } = await this.#call('moverListen', { mode, addressType }, options);
    this.#mode = mode;
    return address;
  }

  async connect(mode: number, address: NdmpAddress, options?: CallOptions): Promise<void> {
    await this.#call('moverConnect', { mode, address }, options);
    this.#mode = mode;
  }

  /** Answers a notifyDataRead, with its own numbers. One at a time, and never while paused. */
  async read(range: MoverWindow, options?: CallOptions): Promise<void> {
    await this.#call('moverRead', { ...range }, options);
  }

  /** After a pause, with the tape in place and its window set. */
  async continue(options?: CallOptions): Promise<void> {
    await this.#call('moverContinue', {}, options);
  }

  /** Ends a paused mover in order. Some servers refuse (illegalState): abort instead. */
  async close(options?: CallOptions): Promise<void> {
    await this.#call('moverClose', {}, options);
  }

  async abort(options?: CallOptions): Promise<void> {
    await this.#call('moverAbort', {}, options);
  }

  async stop(options?: CallOptions): Promise<void> {
    await this.#call('moverStop', {}, options);
  }

  /** What a pause means: v2 says EOF for the end of a window, which only a backup can meet. */
  pauseReason({ reason }: { reason: number }): number {
    const isWindowEnd = this.#version() === 2 && this.#mode === MOVER_MODE.read;
    return isWindowEnd && reason === MOVER_PAUSE.eof ? MOVER_PAUSE.eow : reason;
  }
}

/** BUTYPE_ATTR of what v2 only says in the negative. */
export function attrsFromV2(attrs: number): number {
  const can = (cannot: number, bits: number): number => ((attrs & cannot) === 0 ? bits : 0);
  const { backupHistoryFile, backupHistoryDir } = BUTYPE_ATTR;
  return (
    can(BUTYPE_ATTR_V2.noBackupFileList, BUTYPE_ATTR.backupFileList) |
    can(BUTYPE_ATTR_V2.noBackupFhInfo, backupHistoryFile | backupHistoryDir) |
    can(BUTYPE_ATTR_V2.noRecoverFileList, BUTYPE_ATTR.recoverFileList) |
    can(BUTYPE_ATTR_V2.noRecoverFhInfo, BUTYPE_ATTR.recoverDirect) |
    can(BUTYPE_ATTR_V2.noRecoverIncrementalOnly, BUTYPE_ATTR.recoverIncremental)
  );
}
