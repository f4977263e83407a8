// What a drive driver needs of an NDMP session's TAPE service: each call with its own deadline, in words of the protocol.

import { SCSI_STATUS } from '@tapestry/iscsi';
import {
  isRefusal,
  NDMP_ERROR,
  type NdmpClient,
  type NdmpVersion,
  type ReplyBody,
  SCSI_FLAGS,
  TAPE_OPEN_MODE,
} from '@tapestry/ndmp';
import { pause } from '@tapestry/runtime/until-answered';

/** Every method rejects with NdmpError. */
export interface TapePort {
  readonly version: NdmpVersion;
  /** The server refused to open the drive for writing. */
  readonly readOnly: boolean;
  getState(): Promise<ReplyBody<'tapeGetState'>>;
  /** `operation`: TAPE_MTIO. Resolves with what is left of `count`. */
  mtio(operation: number, count: number): Promise<number>;
  write(data: Buffer): Promise<number>;
  read(count: number): Promise<Buffer>;
  /** A SCSI command that asks the drive: its data; null when the drive does not know it. */
  ask(cdb: Buffer, bytesMax: number): Promise<Buffer | null>;
  close(): Promise<void>;
}

export interface TapeOpening {
  readonly client: NdmpClient;
  readonly device: string;
  readonly writes: boolean;
  /** A tape on its way is waited for so long. */
  readonly loadTimeoutMs: number;
  /** One motion of the tape may take so long. */
  readonly motionTimeoutMs: number;
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 1_000;
const ASK_MS = 10_000;
const ANSWER_GRACE_MS = 5_000;
const NO_DATA = Buffer.alloc(0);

/** TAPE_OPEN, again and again while the tape is being loaded. A protected tape is opened for reading, and says so. */
export async function openTapePort(opening: TapeOpening): Promise<TapePort> {
  const { client, writes, motionTimeoutMs, signal } = opening;
  const wanted = writes ? TAPE_OPEN_MODE.readWrite : TAPE_OPEN_MODE.read;
  let readOnly = false;
  try {
    await openWhenReady(opening, wanted);
  } catch (error) {
    if (!writes || !isRefusal(error, NDMP_ERROR.writeProtect)) throw error;
    await openWhenReady(opening, TAPE_OPEN_MODE.read);
    readOnly = true;
  }
  const { tape } = client;
  const options = { timeoutMs: motionTimeoutMs, signal };
  return {
    version: client.version,
    readOnly,
    getState: () => tape.getState(options),
    mtio: (operation, count) => tape.mtio(operation, count, options),
    write: (data) => tape.write(data, options),
    read: (count) => tape.read(count, options),
    ask: async (cdb, dataInLength) => {
      const order = { flags: SCSI_FLAGS.dataIn, timeoutMs: ASK_MS, dataInLength, cdb };
      const patience = { timeoutMs: ASK_MS + ANSWER_GRACE_MS, signal };
      const reply = await tape.executeCdb({ ...order, dataOut: NO_DATA }, patience);
      return reply.status === SCSI_STATUS.good ? reply.dataIn : null;
    },
    // Also after the session's own end: the drive is to be given back.
    close: () => tape.close({ timeoutMs: motionTimeoutMs }),
  };
}

async function openWhenReady(opening: TapeOpening, mode: number): Promise<void> {
  const { client, device, loadTimeoutMs, motionTimeoutMs, signal } = opening;
  const endMs = performance.now() + loadTimeoutMs;
  for (;;) {
    try {
      return await client.tape.open(device, mode, { timeoutMs: motionTimeoutMs, signal });
    } catch (error) {
      const mayCome =
        isRefusal(error, NDMP_ERROR.noTapeLoaded) || isRefusal(error, NDMP_ERROR.deviceBusy);
      if (!mayCome || performance.now() > endMs) throw error;
    }
    await pause(LOOK_EVERY_MS, signal);
    signal.throwIfAborted();
  }
}
