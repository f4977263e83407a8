// The TAPE and SCSI services: one open device a connection. The machine judges who may ask what and
// when, and decides on implicit filemarks; the device itself is behind a port.

import {
  MOVER_MODE,
  NDMP_ERROR,
  SCSI_FLAGS,
  TAPE_MTIO,
  TAPE_OPEN_MODE,
  U32_MAX,
  U64_MAX,
} from './constants.ts';
import { holdsTape } from './mover-machine.ts';
import type {
  AnyRequest,
  DeviceRequestName,
  DeviceRules,
  DeviceSlot,
  Effect,
  ServerFacts,
  ServerState,
  Step,
} from './server-state.ts';
import { owing, replied, settled } from './server-steps.ts';

/** The longest transfer of one TAPE or SCSI request; the largest LTO block is shorter. */
const TRANSFER_BYTES_MAX = 8 * 1024 * 1024;
const OK = NDMP_ERROR.noError;

type Service = 'tape' | 'scsi';

const SERVICE: Readonly<Record<DeviceRequestName, Service>> = {
  tapeOpen: 'tape',
  tapeClose: 'tape',
  tapeGetState: 'tape',
  tapeMtio: 'tape',
  tapeWrite: 'tape',
  tapeRead: 'tape',
  tapeExecuteCdb: 'tape',
  scsiOpen: 'scsi',
  scsiClose: 'scsi',
  scsiGetState: 'scsi',
  scsiSetTarget: 'scsi',
  scsiResetDevice: 'scsi',
  scsiResetBus: 'scsi',
  scsiExecuteCdb: 'scsi',
};

export function isDeviceRequest(
  event: AnyRequest,
): event is Extract<AnyRequest, { name: DeviceRequestName }> {
  return event.name in SERVICE;
}

type DeviceRequest = Extract<AnyRequest, { name: DeviceRequestName }>;

/** The step of a TAPE or SCSI request. */
export function deviceRequest(before: ServerState, event: DeviceRequest, facts: ServerFacts): Step {
  const service = SERVICE[event.name];
  const isThere = service === 'tape' ? facts.hasTape : facts.hasScsi;
  if (isThere !== true) return replied(before, event, NDMP_ERROR.notSupported);
  const state = forgetFailedClose(before, event);
  const isNothing = emptyTransfer(event);
  if (isNothing && facts.isStrict !== true) return replied(state, event, OK);
  const refusal = refusalOf(state, event, service);
  if (refusal !== undefined) return replied(state, event, refusal, refusedFields(event));
  if (isNothing) return replied(state, event, OK);
  const rules = rulesOf(state, event, facts);
  const body = event.body as Record<string, unknown>;
  return owing(state, event, { do: 'device', name: event.name, body, rules }, body);
}

/** Reads and writes of nothing, and motions by nothing, are done before they start. */
function emptyTransfer(event: DeviceRequest): boolean {
  if (event.name === 'tapeRead') return event.body.count === 0;
  if (event.name === 'tapeWrite') return event.body.data.length === 0;
  return false;
}

function refusalOf(state: ServerState, event: DeviceRequest, service: Service): number | undefined {
  if (!hasLegalArguments(event, state.version)) return NDMP_ERROR.illegalArgs;
  const isOpening = event.name === 'tapeOpen' || event.name === 'scsiOpen';
  if (isOpening) return state.device.kind === 'none' ? undefined : NDMP_ERROR.deviceOpened;
  if (state.device.kind !== service) return NDMP_ERROR.deviceNotOpen;
  if (service === 'scsi' || event.name === 'tapeGetState') return undefined;
  if (holdsTape(state)) return NDMP_ERROR.deviceBusy;
  return writes(event) && isReadOnly(state.device) ? NDMP_ERROR.permission : undefined;
}

function isReadOnly(device: DeviceSlot): boolean {
  return device.kind === 'tape' && device.mode === TAPE_OPEN_MODE.read;
}

function writes(event: DeviceRequest): boolean {
  if (event.name === 'tapeWrite') return true;
  return event.name === 'tapeMtio' && event.body.operation === TAPE_MTIO.writeFilemarks;
}

function hasLegalArguments(event: DeviceRequest, version: number): boolean {
  switch (event.name) {
    case 'tapeOpen': {
      const last = version === 4 ? TAPE_OPEN_MODE.raw : TAPE_OPEN_MODE.readWrite;
      return event.body.mode >= 0 && event.body.mode <= last;
    }
    case 'tapeMtio': {
      const last = version === 4 ? TAPE_MTIO.testReady : TAPE_MTIO.eject;
      return event.body.operation >= 0 && event.body.operation <= last;
    }
    case 'tapeRead':
      return event.body.count <= TRANSFER_BYTES_MAX;
    case 'tapeWrite':
      return event.body.data.length <= TRANSFER_BYTES_MAX;
    case 'tapeExecuteCdb':
    case 'scsiExecuteCdb': {
      const { flags, cdb, dataInLength, dataOut } = event.body;
      const directions: number[] = [0, SCSI_FLAGS.dataIn, SCSI_FLAGS.dataOut];
      const isBounded = Math.max(dataInLength, dataOut.length) <= TRANSFER_BYTES_MAX;
      return directions.includes(flags) && cdb.length > 0 && isBounded;
    }
    default:
      return true;
  }
}

/** What a refusal of TAPE_GET_STATE says beside its error: nothing is known. */
function refusedFields(event: DeviceRequest): Record<string, unknown> | undefined {
  if (event.name !== 'tapeGetState') return undefined;
  return {
    unsupported: 0x3f,
    ...{ fileNumber: U32_MAX, softErrors: U32_MAX, blockSize: U32_MAX, blockNumber: U32_MAX },
    ...{ totalSpace: U64_MAX, spaceRemain: U64_MAX },
  };
}

const MARKING_STRICT: readonly number[] = [
  TAPE_MTIO.forwardFiles,
  TAPE_MTIO.backwardFiles,
  TAPE_MTIO.forwardRecords,
  TAPE_MTIO.backwardRecords,
  TAPE_MTIO.rewind,
  TAPE_MTIO.eject,
];
/** Spacing by records right behind written data writes no mark: the conformance series counts. */
const MARKING_LENIENT: readonly number[] = [
  TAPE_MTIO.backwardFiles,
  TAPE_MTIO.rewind,
  TAPE_MTIO.eject,
];
const COUNTED: readonly number[] = [
  TAPE_MTIO.forwardFiles,
  TAPE_MTIO.backwardFiles,
  TAPE_MTIO.forwardRecords,
  TAPE_MTIO.backwardRecords,
  TAPE_MTIO.writeFilemarks,
];

function rulesOf(state: ServerState, event: DeviceRequest, facts: ServerFacts): DeviceRules {
  const { device } = state;
  const isUnmarked = device.kind === 'tape' && device.isUnmarked;
  return {
    markFirst: isUnmarked && leavesTheData(event, facts),
    crossing: state.version < 4,
    discard: device.kind === 'tape' && device.closeFailed,
  };
}

function leavesTheData(event: DeviceRequest, facts: ServerFacts): boolean {
  if (event.name === 'tapeClose') return true;
  if (event.name !== 'tapeMtio') return false;
  const { operation, count } = event.body;
  if (count === 0 && COUNTED.includes(operation)) return false;
  return (facts.isStrict === true ? MARKING_STRICT : MARKING_LENIENT).includes(operation);
}

/** Only a TAPE_CLOSE right behind one that failed closes without I/O. */
function forgetFailedClose(state: ServerState, event: DeviceRequest): ServerState {
  const { device } = state;
  if (device.kind !== 'tape' || !device.closeFailed || event.name === 'tapeClose') return state;
  return { ...state, device: { ...device, closeFailed: false } };
}

/** The device answered: its reply goes out, and the slot shows what changed. */
export function deviceAnswered(state: ServerState, body: Record<string, unknown>): Step {
  const { error: told, ...fields } = body;
  const error = errorOf(state, Number(told ?? OK));
  return settled({ ...state, device: slotAfter(state, error, fields) }, error, fields);
}

/** Before v4 the end of data reads like a filemark. */
function errorOf({ owed, version }: ServerState, error: number): number {
  const isBlank = owed?.name === 'tapeRead' && error === NDMP_ERROR.eom && version < 4;
  return isBlank ? NDMP_ERROR.eof : error;
}

function slotAfter(
  { device, owed }: ServerState,
  error: number,
  fields: Record<string, unknown>,
): DeviceSlot {
  const isDone = error === OK;
  if (owed?.name === 'scsiOpen') return isDone ? { kind: 'scsi' } : device;
  if (owed?.name === 'scsiClose') return { kind: 'none' };
  if (owed?.name === 'tapeOpen' && isDone) {
    const mode = Number(owed.body?.mode);
    const blockSizeBytes = blockSizeOf(fields);
    return { kind: 'tape', mode, blockSizeBytes, isUnmarked: false, closeFailed: false };
  }
  if (device.kind !== 'tape') return device;
  if (owed?.name === 'tapeGetState' && isDone) {
    return { ...device, blockSizeBytes: blockSizeOf(fields) };
  }
  if (owed?.name === 'tapeClose') {
    return isDone ? { kind: 'none' } : { ...device, closeFailed: true };
  }
  if (owed?.name === 'tapeWrite') return { ...device, isUnmarked: device.isUnmarked || isDone };
  if (owed?.name === 'tapeMtio' && isDone) {
    return { ...device, isUnmarked: device.isUnmarked && staysBehindData(owed.body) };
  }
  return device;
}

/** A drive that does not know is taken to have blocks of any size. */
function blockSizeOf({ blockSize }: Record<string, unknown>): number {
  return blockSize === undefined || blockSize === U32_MAX ? 0 : Number(blockSize);
}

/** Forward spacing behind the last written record moves nothing; every other motion ends the wait. */
function staysBehindData(body: Record<string, unknown> | undefined): boolean {
  const operation = Number(body?.operation);
  if (operation === TAPE_MTIO.testReady) return true;
  if (COUNTED.includes(operation) && Number(body?.count) === 0) return true;
  return operation === TAPE_MTIO.forwardFiles || operation === TAPE_MTIO.forwardRecords;
}

/** What the end of the connection does to an open device: TAPE_CLOSE without an answer. */
export function abandonDevice(state: ServerState, facts: ServerFacts): Effect[] {
  const { device, mover, owed } = state;
  // A device that is being opened has no slot yet.
  const isOpening = owed?.name === 'tapeOpen' || owed?.name === 'scsiOpen';
  if (device.kind === 'none' && !isOpening) return [];
  const moved = facts.moverProgress?.().bytesMoved ?? 0n;
  const moverWrote = mover.mode === MOVER_MODE.read && moved > mover.bytesMovedBefore;
  const markFirst = device.kind === 'tape' && (device.isUnmarked || moverWrote);
  const rules = { markFirst, crossing: state.version < 4, discard: false };
  return [{ do: 'releaseDevice', rules }];
}
