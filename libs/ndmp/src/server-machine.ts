// The server's side of one connection as a pure function: version, log-in, and who may ask what when.
// DATA requests go on to data-machine.ts. A refused request changes nothing.

import { md5Answer, sameSecret } from './authentication.ts';
import { AUTH_TYPE, DATA_STATE, NDMP_ERROR } from './constants.ts';
import { dataEvent, dataRequest } from './data-machine.ts';
import { isVersion, type RequestName } from './messages.ts';
import { replyWith } from './server-replies.ts';
import {
  type AnyRequest,
  type Effect,
  IDLE_DATA,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
  type Step,
} from './server-state.ts';

const PRE_AUTH: ReadonlySet<RequestName> = new Set<RequestName>([
  'connectOpen',
  'connectClientAuth',
  'connectClose',
  'configGetAuthAttr',
  'configGetServerInfo',
]);

/** Requests that the shell answers from what it knows of its host. */
const ANSWERED: ReadonlySet<RequestName> = new Set<RequestName>([
  'configGetHostInfo',
  'configGetServerInfo',
  'configGetButypeInfo',
  'configGetFsInfo',
]);

type Request<N extends RequestName> = Extract<AnyRequest, { name: N }>;

/**
 * One event in, the next state and the effects out, to be performed in order. The shell must not
 * feed a request while `state.owed` is set.
 */
export function step(state: ServerState, event: ServerEvent, facts: ServerFacts): Step {
  if (state.phase === 'closing') return { state, effects: [] };
  if (event.type === 'request') return request(state, event, facts);
  if (event.type === 'answered') return answered(state, event.body);
  return dataEvent(state, event);
}

function request(before: ServerState, event: AnyRequest, facts: ServerFacts): Step {
  // Anything but CONNECT_OPEN accepts the version that the greeting offered.
  const implied = before.phase === 'offered' && event.name !== 'connectOpen';
  const state: ServerState = implied ? { ...before, phase: 'open' } : before;
  if (state.phase !== 'authed' && !PRE_AUTH.has(event.name)) {
    return refuse(state, event, NDMP_ERROR.notAuthorized);
  }
  switch (event.name) {
    case 'connectOpen':
      return connectOpen(state, event, facts);
    case 'connectClientAuth':
      return clientAuth(state, event, facts);
    case 'connectClose':
      return close(state);
    case 'configGetAuthAttr':
      return authAttr(state, event, facts);
    case 'configGetConnectionType':
      return accept(state, event, { types: [...facts.addressTypes] });
    case 'configGetExtList':
      return accept(state, event, { classes: [] });
    default:
      if (ANSWERED.has(event.name)) return owe(state, event, [{ do: 'answer', name: event.name }]);
      return dataRequest(state, event, facts) ?? refuse(state, event, NDMP_ERROR.notSupported);
  }
}

function connectOpen(
  state: ServerState,
  event: Request<'connectOpen'>,
  { versionMin = 3, versionMax = 4 }: ServerFacts,
): Step {
  const { version } = event.body;
  const isOffered = version >= versionMin && version <= versionMax;
  if (!isOffered || !isVersion(version)) return refuse(state, event, NDMP_ERROR.illegalArgs);
  if (state.phase !== 'offered') {
    return version === state.version
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

function close(state: ServerState): Step {
  const abort: Effect[] = state.data.state === DATA_STATE.idle ? [] : [{ do: 'abortData' }];
  return {
    state: { ...state, phase: 'closing', data: IDLE_DATA },
    effects: [...abort, { do: 'close' }],
  };
}

function answered(state: ServerState, body: Record<string, unknown>): Step {
  if (state.owed === undefined) return { state, effects: [] };
  const { name, sequence } = state.owed;
  return {
    state: { ...state, owed: undefined },
    effects: [replyWith(name, sequence, NDMP_ERROR.noError, body)],
  };
}

function accept(state: ServerState, event: AnyRequest, fields?: Record<string, unknown>): Step {
  return {
    state,
    effects: [replyWith(event.name, event.sequence, NDMP_ERROR.noError, fields)],
  };
}

function refuse(state: ServerState, event: AnyRequest, error: number): Step {
  return { state, effects: [replyWith(event.name, event.sequence, error)] };
}

function owe(state: ServerState, event: AnyRequest, effects: Effect[]): Step {
  return {
    state: { ...state, owed: { name: event.name, sequence: event.sequence } },
    effects,
  };
}
