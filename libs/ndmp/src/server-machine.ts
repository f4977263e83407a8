// The server's side of one connection as a pure function: version, and who may ask what when. Log-in is in
// login-machine.ts, each service in its own. A refused request changes nothing.

import { DATA_STATE, NDMP_ERROR } from './constants.ts';
import { dataEvent, dataRequest } from './data-machine.ts';
import { abandonDevice, deviceAnswered, deviceRequest, isDeviceRequest } from './device-machine.ts';
import { extensionRequest, listedAddressTypes, usingExtension } from './extension-machine.ts';
import { authAttr, clientAuth, serverAuth } from './login-machine.ts';
import { isVersion, type RequestName } from './messages.ts';
import { abandonMover, isMoverEvent, moverEvent, moverRequest } from './mover-machine.ts';
import {
  type AnyRequest,
  type Effect,
  INITIAL_SERVER,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
  type Step,
} from './server-state.ts';
import { followedBy, owing, type Request, replied, unchanged } from './server-steps.ts';

const PRE_AUTH: ReadonlySet<RequestName> = new Set<RequestName>([
  'connectOpen',
  'connectClientAuth',
  'connectClose',
  'configGetAuthAttr',
  'configGetServerInfo',
]);

/** In v2 it is the host's information that tells how to log in. */
const PRE_AUTH_V2: ReadonlySet<RequestName> = new Set<RequestName>(['configGetHostInfo']);

/** Requests that the shell answers from what it knows of its host. */
const ANSWERED: ReadonlySet<RequestName> = new Set<RequestName>([
  'configGetHostInfo',
  'configGetServerInfo',
  'configGetButypeInfo',
  'configGetFsInfo',
  'configGetButypeAttr',
]);

/**
 * One event in, the next state and the effects out, to be performed in order. The shell must not
 * feed a request while `state.owed` is set.
 */
export function step(state: ServerState, event: ServerEvent, facts: ServerFacts): Step {
  if (state.phase === 'closing') return { state, effects: [] };
  if (event.type === 'request') return request(state, event, facts);
  if (event.type === 'answered') return answered(state, event.body);
  if (event.type === 'lost') return lost(state, facts);
  if (isMoverEvent(event)) return moverEvent(state, event, facts);
  return dataEvent(state, event, facts);
}

function request(before: ServerState, event: AnyRequest, facts: ServerFacts): Step {
  // Anything but CONNECT_OPEN accepts the version that the greeting offered.
  const implied = before.phase === 'offered' && event.name !== 'connectOpen';
  const state: ServerState = implied ? { ...before, phase: 'open' } : before;
  const isOpen = PRE_AUTH.has(event.name) || (state.version === 2 && PRE_AUTH_V2.has(event.name));
  if (state.phase !== 'authed' && !isOpen) return refuse(state, event, NDMP_ERROR.notAuthorized);
  switch (event.name) {
    case 'connectOpen':
      return connectOpen(state, event, facts);
    case 'connectClientAuth':
      return clientAuth(state, event, facts);
    case 'connectClose':
      return close(state, facts);
    case 'configGetAuthAttr':
      return authAttr(state, event, facts);
    case 'connectServerAuth':
      return serverAuth(state, event, facts);
    case 'configGetConnectionType':
      return accept(state, event, { types: listedAddressTypes(state, facts) });
    default: {
      const step = serviceRequest(state, event, facts);
      return step === undefined
        ? refuse(state, event, NDMP_ERROR.notSupported)
        : usingExtension(step, event);
    }
  }
}

function serviceRequest(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
): Step | undefined {
  const { name } = event;
  const isListed =
    (name === 'configGetTapeInfo' && facts.hasTape === true) ||
    (name === 'configGetScsiInfo' && facts.hasScsi === true);
  if (ANSWERED.has(name) || isListed) {
    return owing(state, event, { do: 'answer', name, body: { ...event.body } });
  }
  if (isDeviceRequest(event)) return deviceRequest(state, event, facts);
  return (
    dataRequest(state, event, facts) ??
    moverRequest(state, event, facts) ??
    extensionRequest(state, event, facts)
  );
}

function connectOpen(
  state: ServerState,
  event: Request<'connectOpen'>,
  { versionMin = 3, versionMax = 4, isStrict }: ServerFacts,
): Step {
  const { version } = event.body;
  const isOffered = version >= versionMin && version <= versionMax;
  if (!isOffered || !isVersion(version)) return refuse(state, event, NDMP_ERROR.illegalArgs);
  if (state.phase !== 'offered') {
    return version === state.version && isStrict !== true
      ? accept(state, event)
      : refuse(state, event, NDMP_ERROR.illegalState);
  }
  return accept({ ...state, phase: 'open', version }, event);
}

function close(state: ServerState, facts: ServerFacts): Step {
  return followedBy(lost(state, facts), (next) => ({ state: next, effects: [{ do: 'close' }] }));
}

/** Everything is given back, in the order in which it leans on each other; nothing is posted. */
function lost(state: ServerState, facts: ServerFacts): Step {
  const isBusy = state.data.state !== DATA_STATE.idle || state.owed?.name.startsWith('data');
  const abort: Effect[] = isBusy ? [{ do: 'abortData' }] : [];
  const effects = [...abort, ...abandonMover(state), ...abandonDevice(state, facts)];
  const { version } = state;
  return { state: { ...INITIAL_SERVER, version, phase: 'closing' }, effects };
}

/** Connections have outcomes of their own: an answer to something else settles none of them. */
const CONNECTING: ReadonlySet<RequestName> = new Set<RequestName>([
  'dataListen',
  'dataConnect',
  'dataStartBackup',
  'dataStartRecover',
  'dataStartRecoverFileHistory',
  'moverListen',
  'moverConnect',
]);

function answered(state: ServerState, body: Record<string, unknown>): Step {
  if (state.owed === undefined || CONNECTING.has(state.owed.name)) return unchanged(state);
  return deviceAnswered(state, body);
}

function accept(state: ServerState, event: AnyRequest, fields?: Record<string, unknown>): Step {
  return replied(state, event, NDMP_ERROR.noError, fields);
}

function refuse(state: ServerState, event: AnyRequest, error: number): Step {
  return replied(state, event, error);
}
