// The mover's states: IDLE, LISTEN, ACTIVE, PAUSED, HALTED. Requests are judged here in the order of
// arguments, state, the other machine, device, preconditions; the bytes themselves are the pump's.
// Every entry into PAUSED and HALTED is posted once, after the reply that caused it.

import { isUsable, type NdmpAddress } from './addresses.ts';
import {
  DATA_STATE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
  NDMP_ERROR,
  TAPE_OPEN_MODE,
} from './constants.ts';
import { usableAddressTypes } from './extension-machine.ts';
import { checkRead, checkWindow, fitsMode, WHOLE_STREAM } from './mover-window.ts';
import type { MoverProgress } from './server-ports.ts';
import { moverStates } from './server-rules.ts';
import {
  type AnyRequest,
  type Effect,
  IDLE_MOVER,
  type MoverMachine,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
  type Step,
} from './server-state.ts';
import {
  dialectOf,
  followedBy,
  owing,
  type Request,
  replied,
  settled,
  unchanged,
} from './server-steps.ts';

const { idle, listen, active, paused, halted } = MOVER_STATE;
const OK = NDMP_ERROR.noError;

const RECORD_BYTES_MAX = 8 * 1024 * 1024;
/** What a mover uses that was never told, in the lenient dialect. */
const RECORD_BYTES_DEFAULT = 10_240;
const NO_PROGRESS: MoverProgress = { bytesMoved: 0n, recordNumber: 0, bytesLeftToRead: 0n };

/** The step of a MOVER request; undefined for a request of another service. */
export function moverRequest(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
): Step | undefined {
  const legal = moverStates(event.name, dialectOf(state, facts));
  if (legal === undefined) return undefined;
  if (facts.hasTape !== true) return replied(state, event, NDMP_ERROR.notSupported);
  const badArgument = argumentError(state, event, facts);
  if (badArgument !== undefined) return replied(state, event, badArgument);
  if (!legal.includes(state.mover.state)) return replied(state, event, NDMP_ERROR.illegalState);
  return perform(state, event, facts);
}

function perform(state: ServerState, event: AnyRequest, facts: ServerFacts): Step | undefined {
  switch (event.name) {
    case 'moverGetState':
      return replied(state, event, OK, stateReply(state.mover, facts));
    case 'moverSetRecordSize':
      return setRecordSize(state, event);
    case 'moverSetWindow':
      return setWindow(state, event, facts);
    case 'moverListen':
      return open(state, event, facts);
    case 'moverConnect':
      return open(state, event, facts);
    case 'moverRead':
      return read(state, event, facts);
    case 'moverContinue':
      return goOn(state, event, facts);
    case 'moverClose':
      return end(state, event, facts, { do: 'moverClose' }, MOVER_HALT.connectClosed);
    case 'moverAbort':
      if (state.mover.state === halted) return replied(state, event, OK);
      return end(state, event, facts, { do: 'moverAbort' }, MOVER_HALT.aborted);
    case 'moverStop':
      return stop(state, event);
    default:
      return undefined;
  }
}

function argumentError(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
): number | undefined {
  const dialect = dialectOf(state, facts);
  const modes: number[] = [MOVER_MODE.read, MOVER_MODE.write];
  const types = usableAddressTypes(state, facts);
  let isLegal = true;
  if (event.name === 'moverListen') {
    isLegal = modes.includes(event.body.mode) && types.includes(event.body.addressType);
  } else if (event.name === 'moverConnect') {
    const { mode, address } = event.body;
    isLegal = modes.includes(mode) && isUsable(address, types);
  } else if (event.name === 'moverSetRecordSize') {
    const { recordSize } = event.body;
    isLegal = recordSize > 0 && recordSize <= RECORD_BYTES_MAX && isWholeBlocks(recordSize, state);
  } else if (event.name === 'moverRead') {
    isLegal = 'range' in checkRead(event.body, dialect);
  } else if (event.name === 'moverSetWindow') {
    isLegal = 'range' in checkWindow(event.body, state.mover.recordSize, dialect);
  }
  return isLegal ? undefined : NDMP_ERROR.illegalArgs;
}

/** A drive with fixed blocks takes records of whole ones (SPEC4 3.6.2.1). */
function isWholeBlocks(recordSize: number, { device }: ServerState): boolean {
  if (device.kind !== 'tape' || device.blockSizeBytes === 0) return true;
  return recordSize % device.blockSizeBytes === 0;
}

/** The drive may be another one than when the record size was set. */
function fitsDrive(state: ServerState): boolean {
  return isWholeBlocks(state.mover.recordSize || RECORD_BYTES_DEFAULT, state);
}

function stateReply(mover: MoverMachine, facts: ServerFacts): Record<string, unknown> {
  const progress = facts.moverProgress?.() ?? NO_PROGRESS;
  const { window, recordSize } = mover;
  const positioned = mover.windowIsNew && window !== undefined && recordSize > 0;
  const first = positioned ? Number((window.offset / BigInt(recordSize)) & 0xffff_ffffn) : 0;
  const isIdle = mover.state === idle;
  return {
    mode: mover.mode,
    state: mover.state,
    pauseReason: mover.pauseReason,
    haltReason: mover.haltReason,
    recordSize,
    recordNumber: positioned ? first : isIdle ? 0 : progress.recordNumber,
    bytesMoved: isIdle ? 0n : progress.bytesMoved,
    seekPosition: mover.seekPosition,
    bytesLeftToRead: isIdle ? 0n : progress.bytesLeftToRead,
    windowOffset: window?.offset ?? 0n,
    windowLength: window?.length ?? 0n,
    address: mover.address,
  };
}

function setRecordSize(state: ServerState, event: Request<'moverSetRecordSize'>): Step {
  const { recordSize } = event.body;
  const mover = { ...state.mover, recordSize, window: undefined, windowIsNew: false };
  return replied({ ...state, mover }, event, OK);
}

function setWindow(state: ServerState, event: Request<'moverSetWindow'>, facts: ServerFacts): Step {
  const dialect = dialectOf(state, facts);
  const { mover } = state;
  const checked = checkWindow(event.body, mover.recordSize, dialect);
  const range = 'range' in checked ? checked.range : undefined;
  if (dialect.isStrict && mover.recordSize === 0) {
    return replied(state, event, NDMP_ERROR.precondition);
  }
  const isPaused = mover.state === paused && range !== undefined;
  if (isPaused && !fitsMode(range, mover.mode, mover.recordSize)) {
    return replied(state, event, NDMP_ERROR.illegalArgs);
  }
  const next = { ...mover, window: range, windowIsNew: range !== undefined };
  return replied({ ...state, mover: next }, event, OK);
}

/** LISTEN and CONNECT differ in what they ask of the DATA service, and in their effect. */
function open(
  state: ServerState,
  event: Request<'moverListen'> | Request<'moverConnect'>,
  facts: ServerFacts,
): Step {
  const refusal = openError(state, event, facts);
  if (refusal !== undefined) return replied(state, event, refusal);
  const effect: Effect =
    event.name === 'moverListen'
      ? { do: 'moverListen', addressType: event.body.addressType }
      : { do: 'moverConnect', address: event.body.address };
  return owing(state, event, effect, { mode: event.body.mode });
}

function openError(
  state: ServerState,
  event: Request<'moverListen'> | Request<'moverConnect'>,
  facts: ServerFacts,
): number | undefined {
  if (!dataAgrees(state, event, facts)) return NDMP_ERROR.illegalState;
  if (state.device.kind !== 'tape') return NDMP_ERROR.deviceNotOpen;
  const { mode } = event.body;
  if (mode === MOVER_MODE.read && state.device.mode === TAPE_OPEN_MODE.read) {
    return NDMP_ERROR.permission;
  }
  if (!fitsDrive(state)) return NDMP_ERROR.precondition;
  if (facts.isStrict !== true) return undefined;
  const { recordSize, window } = state.mover;
  if (recordSize === 0) return NDMP_ERROR.precondition;
  // v2 and v3 set the window after LISTEN.
  if (window === undefined) return state.version === 4 ? NDMP_ERROR.precondition : undefined;
  return fitsMode(window, mode, recordSize) ? undefined : NDMP_ERROR.precondition;
}

/** One image stream a session: the two ends of it must fit, or one of them be elsewhere. */
function dataAgrees(
  state: ServerState,
  event: Request<'moverListen'> | Request<'moverConnect'>,
  facts: ServerFacts,
): boolean {
  const { data } = state;
  const isIdle = data.state === DATA_STATE.idle;
  if (event.name === 'moverListen') return isIdle;
  if (event.body.address.type === 'local') {
    return data.state === DATA_STATE.listen && data.address.type === 'local';
  }
  return isIdle || facts.isStrict !== true;
}

function read(state: ServerState, event: Request<'moverRead'>, facts: ServerFacts): Step {
  const { mover } = state;
  if (mover.mode !== MOVER_MODE.write || mover.address.type === 'local') {
    return replied(state, event, NDMP_ERROR.illegalState);
  }
  if ((facts.moverProgress?.() ?? NO_PROGRESS).bytesLeftToRead > 0n) {
    return replied(state, event, NDMP_ERROR.readInProgress);
  }
  const checked = checkRead(event.body, dialectOf(state, facts));
  const { offset, length } = ('range' in checked && checked.range) || event.body;
  const next = { ...state, mover: { ...mover, seekPosition: offset } };
  const accepted = replied(next, event, OK);
  return {
    state: accepted.state,
    effects: [...accepted.effects, { do: 'moverRead', offset, length }],
  };
}

/** DATA of the same session wants a range: no post goes out, the mover is told at once. */
export function readLocally(state: ServerState, offset: bigint, length: bigint): Step {
  const running: number[] = [active, paused];
  if (!running.includes(state.mover.state)) return unchanged(state);
  const mover = { ...state.mover, seekPosition: offset };
  return { state: { ...state, mover }, effects: [{ do: 'moverRead', offset, length }] };
}

function goOn(state: ServerState, event: AnyRequest, facts: ServerFacts): Step {
  const { device, mover } = state;
  if (device.kind !== 'tape') return replied(state, event, NDMP_ERROR.deviceNotOpen);
  if (mover.mode === MOVER_MODE.read && device.mode === TAPE_OPEN_MODE.read) {
    return replied(state, event, NDMP_ERROR.permission);
  }
  const needsWindow = facts.isStrict === true && state.version === 4 && !mover.windowIsNew;
  if (needsWindow || !fitsDrive(state)) return replied(state, event, NDMP_ERROR.precondition);
  return followedBy(replied(state, event, OK), (next) => activate(next, facts));
}

function stop(state: ServerState, event: AnyRequest): Step {
  const { recordSize } = state.mover;
  const next = { ...state, mover: { ...IDLE_MOVER, recordSize } };
  const accepted = replied(next, event, OK);
  return { state: next, effects: [{ do: 'moverRelease' }, ...accepted.effects] };
}

/** CLOSE and ABORT: reply, then the end of the connection, then the post. */
function end(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
  effect: Effect,
  reason: number,
): Step {
  const accepted = replied(state, event, OK);
  const ended = halt(state, facts, reason, '');
  return { state: ended.state, effects: [...accepted.effects, effect, ...ended.effects] };
}

function halt(state: ServerState, facts: ServerFacts, reason: number, text: string): Step {
  const { device, mover } = released(state, facts);
  const next = { ...mover, state: halted, pauseReason: MOVER_PAUSE.na, haltReason: reason };
  const post: Effect = { do: 'post', name: 'notifyMoverHalted', body: { reason, text } };
  return { state: { ...state, device, mover: next }, effects: [post] };
}

/** The tape goes back to the DMA; what the mover wrote on it has no filemark yet. */
function released(state: ServerState, facts: ServerFacts): Pick<ServerState, 'device' | 'mover'> {
  const { device, mover } = state;
  const { bytesMoved } = facts.moverProgress?.() ?? NO_PROGRESS;
  const wrote = mover.mode === MOVER_MODE.read && bytesMoved > mover.bytesMovedBefore;
  if (!wrote || device.kind !== 'tape') return { device, mover };
  return {
    device: { ...device, isUnmarked: true, closeFailed: false },
    mover: { ...mover, bytesMovedBefore: bytesMoved },
  };
}

/** Into ACTIVE: the pump gets its order. */
function activate(state: ServerState, facts: ServerFacts): Step {
  const before = state.mover;
  const window = before.window ?? WHOLE_STREAM;
  const recordSize = before.recordSize === 0 ? RECORD_BYTES_DEFAULT : before.recordSize;
  const { bytesMoved } = facts.moverProgress?.() ?? NO_PROGRESS;
  const mover = {
    ...before,
    ...{ state: active, pauseReason: MOVER_PAUSE.na, windowIsNew: false },
    ...{ window, recordSize, bytesMovedBefore: bytesMoved },
  };
  const order = {
    mode: before.mode,
    recordSizeBytes: recordSize,
    window,
    windowIsNew: before.windowIsNew || before.state !== paused,
    crossing: state.version < 4,
  };
  return { state: { ...state, mover }, effects: [{ do: 'moverRun', order }] };
}

/** The mover's listener was joined by the DATA service of this session. */
export function joinLocally(state: ServerState, facts: ServerFacts): Step {
  const isWaiting = state.mover.state === listen && state.mover.address.type === 'local';
  return isWaiting ? activate(state, facts) : unchanged(state);
}

type MoverEvent = Extract<ServerEvent, { type: `mover${string}` }>;

export function isMoverEvent(event: ServerEvent): event is MoverEvent {
  return event.type.startsWith('mover');
}

/** The step of an outcome of the mover's effects, or of what it reports on its own. */
export function moverEvent(state: ServerState, event: MoverEvent, facts: ServerFacts): Step {
  const { mover } = state;
  switch (event.type) {
    case 'moverListening': {
      if (state.owed?.name !== 'moverListen') return unchanged(state);
      const { address } = event;
      const opened = { ...mover, state: listen, mode: owedMode(state), address };
      return settled({ ...state, mover: opened }, OK, { address });
    }
    case 'moverConnected':
      return connected(state, event.address, facts);
    case 'moverPeerConnected': {
      if (mover.state !== listen) return unchanged(state);
      return activate({ ...state, mover: { ...mover, address: event.address } }, facts);
    }
    case 'moverPaused': {
      if (mover.state !== active) return unchanged(state);
      const { reason, seekPosition } = event;
      const given = released(state, facts);
      const next = { ...given.mover, state: paused, pauseReason: reason };
      const body = { reason, seekPosition };
      return {
        state: { ...state, device: given.device, mover: next },
        effects: [{ do: 'post', name: 'notifyMoverPaused', body }],
      };
    }
    case 'moverHalted': {
      const running: number[] = [listen, active, paused];
      if (!running.includes(mover.state)) return unchanged(state);
      return halt(state, facts, event.reason, event.text ?? '');
    }
  }
}

function owedMode(state: ServerState): number {
  return Number(state.owed?.body?.mode ?? MOVER_MODE.noAction);
}

function connected(state: ServerState, address: NdmpAddress, facts: ServerFacts): Step {
  if (state.owed?.name !== 'moverConnect') return unchanged(state);
  const mover = { ...state.mover, mode: owedMode(state), address };
  const isLocal = address.type === 'local' && state.data.state === DATA_STATE.listen;
  const data = isLocal ? { ...state.data, state: DATA_STATE.connected } : state.data;
  return followedBy(settled({ ...state, mover, data }, OK), (next) => activate(next, facts));
}

/** True while the mover has the tape to itself. */
export function holdsTape({ mover }: ServerState): boolean {
  return mover.state === listen || mover.state === active;
}

/** What the end of the connection does to the mover. */
export function abandonMover({ mover, owed }: ServerState): Effect[] {
  const isOpening = owed?.name === 'moverListen' || owed?.name === 'moverConnect';
  return mover.state === idle && !isOpening ? [] : [{ do: 'moverAbort' }];
}
