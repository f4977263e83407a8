// The DATA service's states: IDLE, LISTEN, CONNECTED, ACTIVE, HALTED. Which request is legal where is
// the one table below; arguments are checked before the state, as the conformance series asks. Every
// entry into HALTED is posted exactly once, after the reply that caused it.

import {
  ADDR_TYPE,
  DATA_HALT,
  DATA_OPERATION,
  DATA_STATE,
  DATA_STATE_UNSUPPORTED,
  LOG_TYPE,
  NDMP_ERROR,
  U32_MAX,
  U64_MAX,
} from './constants.ts';
import type { RequestName } from './messages.ts';
import { replyWith } from './server-replies.ts';
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
import type { NameEntry, NdmpAddress, Pval } from './structures.ts';

const { idle, listen, connected, active, halted } = DATA_STATE;

/** States in which a DATA request is legal. */
const LEGAL: Readonly<Partial<Record<RequestName, readonly number[]>>> = {
  dataGetState: [idle, listen, connected, active, halted],
  dataListen: [idle],
  dataConnect: [idle],
  dataStartBackup: [connected],
  dataStartRecover: [connected],
  dataStartRecoverFileHistory: [connected],
  dataGetEnv: [active, halted],
  dataAbort: [listen, connected, active, halted],
  dataStop: [halted],
};

/** The step of a DATA request; undefined for a request of another service. */
export function dataRequest(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
): Step | undefined {
  const legal = LEGAL[event.name];
  if (legal === undefined) return undefined;
  const badArgument = argumentError(event, facts);
  if (badArgument !== undefined) return reply(state, event, badArgument);
  if (!legal.includes(state.data.state)) return reply(state, event, NDMP_ERROR.illegalState);
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

function argumentError(event: AnyRequest, facts: ServerFacts): number | undefined {
  if (event.name === 'dataListen') {
    return facts.addressTypes.includes(event.body.addressType) ? undefined : NDMP_ERROR.illegalArgs;
  }
  if (event.name === 'dataConnect') {
    const { address } = event.body;
    const usable = address.type === 'tcp' && address.endpoints.length > 0;
    return usable && facts.addressTypes.includes(ADDR_TYPE.tcp)
      ? undefined
      : NDMP_ERROR.illegalArgs;
  }
  return undefined;
}

function dial(address: NdmpAddress): Effect {
  return { do: 'dial', address, endpoints: address.type === 'tcp' ? address.endpoints : [] };
}

function start(
  operation: number,
  body: { butype: string; env: Pval[]; names: NameEntry[] },
): Effect {
  return { do: 'start', operation, ...body };
}

function stateReply(data: DataMachine, facts: ServerFacts): Record<string, unknown> {
  return {
    unsupported: DATA_STATE_UNSUPPORTED.bytesRemain | DATA_STATE_UNSUPPORTED.timeRemain,
    operation: data.operation,
    state: data.state,
    haltReason: data.haltReason,
    bytesProcessed: data.state === DATA_STATE.idle ? 0n : facts.bytesProcessed(),
    bytesRemain: U64_MAX,
    timeRemain: U32_MAX,
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
export function dataEvent(
  state: ServerState,
  event: Exclude<ServerEvent, { type: 'request' } | { type: 'answered' }>,
): Step {
  switch (event.type) {
    case 'listening':
      return settle(state, { ...state.data, state: listen, address: event.address }, event);
    case 'dialled':
      return settle(state, { ...state.data, state: connected, address: event.address }, event);
    case 'started':
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
  const effects = event.text === undefined ? [refusal] : [errorLog(event.text, sequence), refusal];
  return { state: { ...state, owed: undefined }, effects };
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
