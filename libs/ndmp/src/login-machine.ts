// Who is there: the DMA proves that it knows the password, and the server, when it is asked to, that it
// does as well (SPEC4 3.1.2 and 3.1.4).

import { md5Answer, sameSecret } from './authentication.ts';
import { AUTH_TYPE, NDMP_ERROR } from './constants.ts';
import type { Effect, ServerFacts, ServerState, Step } from './server-state.ts';
import { type Request, replied } from './server-steps.ts';
import type { AuthData } from './structures.ts';

const OK = NDMP_ERROR.noError;

/** CONFIG_GET_AUTH_ATTR: a fresh challenge, which takes the place of the last one. */
export function authAttr(
  state: ServerState,
  event: Request<'configGetAuthAttr'>,
  facts: ServerFacts,
): Step {
  const { authType } = event.body;
  if (authType === AUTH_TYPE.md5) {
    const challenge = facts.newChallenge();
    return replied({ ...state, challenge }, event, OK, { attr: { authType, challenge } });
  }
  const offered = authType === AUTH_TYPE.text && facts.allowText;
  if (!offered) return replied(state, event, NDMP_ERROR.illegalArgs);
  return replied(state, event, OK, { attr: { authType } });
}

/** CONNECT_CLIENT_AUTH, also of a session that is logged in: then it is judged anew. */
export function clientAuth(
  before: ServerState,
  event: Request<'connectClientAuth'>,
  facts: ServerFacts,
): Step {
  const { auth } = event.body;
  const allowed = auth.type === 'md5' || (auth.type === 'text' && facts.allowText);
  if (!allowed) return replied(before, event, NDMP_ERROR.illegalArgs);
  const state: ServerState = { ...before, challenge: undefined };
  if (provesIdentity(auth, before.challenge, facts)) {
    return replied({ ...state, phase: 'authed', authFailures: 0 }, event, OK);
  }
  const failures = before.authFailures + 1;
  const refused = replied(
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

/**
 * CONNECT_SERVER_AUTH: there is one account, whose password both sides know. Whoever gets here has proved
 * that already, so the answer to a challenge of his choice tells him nothing new.
 */
export function serverAuth(
  state: ServerState,
  event: Request<'connectServerAuth'>,
  facts: ServerFacts,
): Step {
  const { user, password, allowText } = facts;
  const { authType, challenge } = event.body.attr;
  let result: AuthData;
  if (authType === AUTH_TYPE.md5 && challenge !== undefined) {
    result = { type: 'md5', user, digest: md5Answer(password, challenge) };
  } else if (authType === AUTH_TYPE.text && allowText) {
    result = { type: 'text', user, password };
  } else return replied(state, event, NDMP_ERROR.illegalArgs);
  if (password.length === 0) return replied(state, event, NDMP_ERROR.notAuthorized);
  return replied(state, event, OK, { result });
}
