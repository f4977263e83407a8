// The DATA service's states: IDLE, LISTEN, CONNECTED, ACTIVE, HALTED. Which request is legal where is
// the one table below; arguments are checked before the state, as the conformance series asks. Every
// entry into HALTED is posted exactly once, after the reply that caused it.

import { endpointsOf, isUsable, type NdmpAddress } from './addresses.ts';
import {
  DATA_HALT,
  DATA_OPERATION,
  DATA_STATE,
  DATA_STATE_UNSUPPORTED,
  LOG_TYPE,
  MOVER_MODE,
  MOVER_STATE,
  NDMP_ERROR,
  U32_MAX,
  U64_MAX,
} from './constants.ts';
import { usableAddressTypes } from './extension-machine.ts';
import type { RequestName } from './messages.ts';
import { joinLocally, readLocally } from './mover-machine.ts';
import { replyWith } from './server-replies.ts';
import { dataStates } from './server-rules.ts';
import {
  type AnyRequest,
  type DataMachine,
  type Effect,
  IDLE_DATA,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
  type Step,
} from './server-state.ts';
import { dialectOf, followedBy, owing, unchanged } from './server-steps.ts';
import type { NameEntry, Pval } from './structures.ts';

const { listen, connected, active, halted } = DATA_STATE;

/** The step of a DATA request; undefined for a request of another service. */
export function dataRequest(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
): Step | undefined {
  const legal = dataStates(event.name, dialectOf(state, facts));
  if (legal === undefined) return undefined;
  const badArgument = argumentError(state, event, facts);
  if (badArgument !== undefined) return reply(state, event, badArgument);
  const isLegal = legal.includes(state.data.state) && moverAgrees(state, event, facts);
  if (!isLegal) return reply(state, event, NDMP_ERROR.illegalState);
  if (state.version === 2 && isStart(event)) return startV2(state, event);
  switch (event.name) {
    case 'dataGetState':
      return reply(state, event, NDMP_ERROR.noError, stateReply(state.data, facts));
    case 'dataListen':
      return owe(state, event, { do: 'listen', addressType: event.body.addressType });
    case 'dataConnect':
      return owe(state, event, dial(event.body.address));
    case 'dataStartBackup':
      return owe(state, event, start(DATA_OPERATION.backup, { ...event.body, names: [] }));
    case 'dataStartRecover':
      return owe(state, event, start(DATA_OPERATION.recover, event.body));
    case 'dataStartRecoverFileHistory':
      return owe(state, event, start(DATA_OPERATION.recoverFileHistory, event.body));
    case 'dataGetEnv':
      return reply(state, event, NDMP_ERROR.noError, { env: [...state.data.env] });
    case 'dataAbort':
      return abort(state, event);
    case 'dataStop':
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
  let address: NdmpAddress | undefined;
  const types = usableAddressTypes(state, facts);
  if (event.name === 'dataListen') {
    return types.includes(event.body.addressType) ? undefined : NDMP_ERROR.illegalArgs;
  }
  if (event.name === 'dataConnect') address = event.body.address;
  else if (state.version === 2 && 'butype' in event.body) address = moverOf(event.body);
  return address === undefined || isUsable(address, types) ? undefined : NDMP_ERROR.illegalArgs;
}

function moverOf(body: { mover?: NdmpAddress }): NdmpAddress {
  return body.mover ?? { type: 'local' };
}

/** One image stream a session: the mover of the same session waits for us, or keeps out of it. */
function moverAgrees(state: ServerState, event: AnyRequest, facts: ServerFacts): boolean {
  const { mover, data } = state;
  const isIdle = mover.state === MOVER_STATE.idle;
  const isWaiting = mover.state === MOVER_STATE.listen && mover.address.type === 'local';
  if (event.name === 'dataListen') return isIdle;
  if (event.name === 'dataConnect') {
    return event.body.address.type === 'local' ? isWaiting : isIdle || facts.isStrict !== true;
  }
  const operation = OPERATION_OF[event.name];
  if (operation === undefined) return true;
  if (state.version === 2) {
    const isLocal = 'butype' in event.body && moverOf(event.body).type === 'local';
    return !isLocal || (isWaiting && mover.mode === modeFor(operation));
  }
  const isLocal = data.address.type === 'local';
  return !isLocal || (mover.state === MOVER_STATE.active && mover.mode === modeFor(operation));
}

/** The mover reads what a backup sends, and writes what a recovery reads. */
function modeFor(operation: number): number {
  return operation === DATA_OPERATION.backup ? MOVER_MODE.read : MOVER_MODE.write;
}

type StartRequest = Extract<AnyRequest, { body: { butype: string } }>;

function isStart(event: AnyRequest): event is StartRequest {
  return event.name in OPERATION_OF;
}

/** v2 has no CONNECT: its start requests make the connection first. */
function startV2(state: ServerState, event: StartRequest): Step {
  return owing(state, event, dial(moverOf(event.body)), { ...event.body });
}

function dial(address: NdmpAddress): Effect {
  return { do: 'dial', address, endpoints: endpointsOf(address) };
}

function start(
  operation: number,
  body: { butype: string; env: Pval[]; names: NameEntry[] },
): Effect {
  return { do: 'start', operation, ...body };
}

const UNKNOWN_REMAINDER = DATA_STATE_UNSUPPORTED.bytesRemain | DATA_STATE_UNSUPPORTED.timeRemain;

function stateReply(data: DataMachine, facts: ServerFacts): Record<string, unknown> {
  const remaining = data.state === DATA_STATE.active ? facts.remaining?.() : undefined;
  return {
    unsupported: remaining === undefined ? UNKNOWN_REMAINDER : 0,
    operation: data.operation,
    state: data.state,
    haltReason: data.haltReason,
    bytesProcessed: data.state === DATA_STATE.idle ? 0n : facts.bytesProcessed(),
    bytesRemain: remaining?.bytes ?? U64_MAX,
    timeRemain: Math.min(remaining?.seconds ?? U32_MAX, U32_MAX),
    address: data.address,
    readOffset: data.readOffset,
    readLength: data.readLength,
  };
}

function abort(state: ServerState, event: AnyRequest): Step {
  const accepted = reply(state, event, NDMP_ERROR.noError);
  if (state.data.state === DATA_STATE.halted) return accepted;
  const step = halt(state, DATA_HALT.aborted, state.data.env);
  return {
    state: step.state,
    effects: [...accepted.effects, { do: 'abortData' }, ...step.effects],
  };
}

function stop(state: ServerState, event: AnyRequest): Step {
  const accepted = reply({ ...state, data: IDLE_DATA }, event, NDMP_ERROR.noError);
  const successful = state.data.haltReason === DATA_HALT.successful;
  return {
    state: accepted.state,
    effects: [{ do: 'releaseData', successful }, ...accepted.effects],
  };
}

/** The step of an effect's outcome or of what the data connection did by itself. */
export function dataEvent(state: ServerState, event: ServerEvent, facts: ServerFacts): Step {
  switch (event.type) {
    case 'listening':
      if (state.owed?.name !== 'dataListen') return unchanged(state);
      return settle(state, { ...state.data, state: listen, address: event.address }, event);
    case 'dialled':
      return followedBy(dialled(state, event.address), (next) =>
        event.address.type === 'local' ? joinLocally(next, facts) : unchanged(next),
      );
    case 'started':
      if (OPERATION_OF[state.owed?.name ?? 'dataStop'] === undefined) return unchanged(state);
      // The connection may have died while the start was prepared; then the halt is posted already.
      return state.data.state === connected
        ? settle(state, startedData(state, event.env), event)
        : failed(state, { error: NDMP_ERROR.illegalState });
    case 'failed':
      return failed(state, event);
    case 'peerConnected': {
      if (state.data.state !== listen) return { state, effects: [] };
      const data = { ...state.data, state: connected, address: event.address };
      return { state: { ...state, data }, effects: [] };
    }
    case 'dataRead': {
      if (state.data.state !== active) return { state, effects: [] };
      const { offset, length } = event;
      const data = { ...state.data, readOffset: offset, readLength: length };
      if (data.address.type === 'local') return readLocally({ ...state, data }, offset, length);
      const post: Effect = { do: 'post', name: 'notifyDataRead', body: { offset, length } };
      return { state: { ...state, data }, effects: [post] };
    }
    case 'ended': {
      const running: number[] = [listen, connected, active];
      if (!running.includes(state.data.state)) return { state, effects: [] };
      return halt(state, event.reason, event.env.length > 0 ? event.env : state.data.env);
    }
    default:
      return { state, effects: [] };
  }
}

function dialled(state: ServerState, address: NdmpAddress): Step {
  const data = { ...state.data, state: connected, address };
  const { owed } = state;
  if (owed?.name === 'dataConnect') return settle(state, data, { type: 'dialled' });
  const operation = owed === undefined ? undefined : OPERATION_OF[owed.name];
  if (owed?.body === undefined || operation === undefined) return unchanged(state);
  const { butype, env, names } = owed.body as { butype: string; env: Pval[]; names?: NameEntry[] };
  const begun = start(operation, { butype, env, names: names ?? [] });
  return { state: { ...state, data }, effects: [begun] };
}

const OPERATION_OF: Readonly<Partial<Record<RequestName, number>>> = {
  dataStartBackup: DATA_OPERATION.backup,
  dataStartRecover: DATA_OPERATION.recover,
  dataStartRecoverFileHistory: DATA_OPERATION.recoverFileHistory,
};

function startedData(state: ServerState, env: readonly Pval[]): DataMachine {
  const operation = OPERATION_OF[state.owed?.name ?? 'dataStop'] ?? DATA_OPERATION.noAction;
  return { ...state.data, state: active, operation, env };
}

/** An effect succeeded: the owed reply goes out with the new state. */
function settle(
  state: ServerState,
  data: DataMachine,
  event: { type: string; address?: NdmpAddress },
): Step {
  if (state.owed === undefined) return { state, effects: [] };
  const { name, sequence } = state.owed;
  const fields = name === 'dataListen' ? { address: event.address } : {};
  return {
    state: { ...state, data, owed: undefined },
    effects: [replyWith(name, sequence, NDMP_ERROR.noError, fields)],
  };
}

/** An effect failed: nothing changed, and a log line in front of the reply says why. */
function failed(state: ServerState, event: { error: number; text?: string }): Step {
  if (state.owed === undefined) return { state, effects: [] };
  const { name, sequence } = state.owed;
  const refusal = replyWith(name, sequence, event.error);
  const told = event.text === undefined ? [refusal] : [errorLog(event.text, sequence), refusal];
  // v2: the connection was made for this start alone.
  const isUndone = state.version === 2 && state.data.state === connected;
  const data = isUndone ? IDLE_DATA : state.data;
  const effects: Effect[] = isUndone ? [{ do: 'abortData' }, ...told] : told;
  return { state: { ...state, data, owed: undefined }, effects };
}

function errorLog(entry: string, associatedSequence: number): Effect {
  const body = {
    logType: LOG_TYPE.error,
    messageId: 1,
    entry,
    hasAssociatedMessage: 1,
    associatedSequence,
  };
  return { do: 'post', name: 'logMessage', body };
}

function halt(state: ServerState, reason: number, env: readonly Pval[]): Step {
  const data = { ...state.data, state: halted, haltReason: reason, env };
  const post: Effect = { do: 'post', name: 'notifyDataHalted', body: { reason, text: '' } };
  return { state: { ...state, data }, effects: [post] };
}

function reply(
  state: ServerState,
  event: AnyRequest,
  error: number,
  fields?: Record<string, unknown>,
): Step {
  return { state, effects: [replyWith(event.name, event.sequence, error, fields)] };
}

function owe(state: ServerState, event: AnyRequest, effect: Effect): Step {
  return {
    state: { ...state, owed: { name: event.name, sequence: event.sequence } },
    effects: [effect],
  };
}
