// The server's side of one connection as a pure function: version, log-in, and who may ask what when.
// DATA requests go on to data-machine.ts. A refused request changes nothing.

import { md5Answer, sameSecret } from './authentication.ts';
import { AUTH_TYPE, DATA_STATE, NDMP_ERROR } from './constants.ts';
import { dataEvent, dataRequest } from './data-machine.ts';
import { abandonDevice, deviceAnswered, deviceRequest, isDeviceRequest } from './device-machine.ts';
import { extensionRequest } from './extension-machine.ts';
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
    case 'configGetConnectionType':
      return accept(state, event, { types: [...facts.addressTypes] });
    default:
      return serviceRequest(state, event, facts) ?? refuse(state, event, NDMP_ERROR.notSupported);
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

function authAttr(
  state: ServerState,
  event: Request<'configGetAuthAttr'>,
  facts: ServerFacts,
): Step {
  const { authType } = event.body;
  if (authType === AUTH_TYPE.md5) {
    const challenge = facts.newChallenge();
    return accept({ ...state, challenge }, event, { attr: { authType, challenge } });
  }
  const offered = authType === AUTH_TYPE.text && facts.allowText;
  if (!offered) return refuse(state, event, NDMP_ERROR.illegalArgs);
  return accept(state, event, { attr: { authType } });
}

function clientAuth(
  before: ServerState,
  event: Request<'connectClientAuth'>,
  facts: ServerFacts,
): Step {
  const { auth } = event.body;
  const allowed = auth.type === 'md5' || (auth.type === 'text' && facts.allowText);
  if (!allowed) return refuse(before, event, NDMP_ERROR.illegalArgs);
  const state: ServerState = { ...before, challenge: undefined };
  if (provesIdentity(auth, before.challenge, facts)) {
    return accept({ ...state, phase: 'authed', authFailures: 0 }, event);
  }
  const failures = before.authFailures + 1;
  const refused = refuse(
    { ...state, phase: 'open', authFailures: failures },
    event,
    NDMP_ERROR.notAuthorized,
  );
  const consequence: Effect[] =
    failures >= facts.authFailuresMax ? [{ do: 'close' }] : [{ do: 'penalise', failures }];
  return { state: refused.state, effects: [...refused.effects, ...consequence] };
}

function provesIdentity(
  auth: Request<'connectClientAuth'>['body']['auth'],
  challenge: Buffer | undefined,
  facts: ServerFacts,
): boolean {
  if (auth.type !== 'md5' && auth.type !== 'text') return false;
  const expected = auth.type === 'md5' ? challengeAnswer(challenge, facts) : facts.password;
  const given = auth.type === 'md5' ? auth.digest : auth.password;
  // Both comparisons always run: the time taken tells nothing about the user name.
  const sameUser = sameSecret(Buffer.from(auth.user), Buffer.from(facts.user));
  const samePassword = sameSecret(Buffer.from(given), Buffer.from(expected));
  const usable = facts.password.length > 0 && (auth.type === 'text' || challenge !== undefined);
  return sameUser && samePassword && usable;
}

function challengeAnswer(challenge: Buffer | undefined, facts: ServerFacts): Buffer {
  return md5Answer(facts.password, challenge ?? facts.newChallenge());
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
