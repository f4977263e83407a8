// The states of a connection: offered, open, authed, closing. Each request of each version in each of them, by what
// SPEC4 2.11.2 and 3.1 say; what a service answers to who is logged in stands in that service's own table.

import { describe, expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import { NDMP_ERROR } from './constants.ts';
import { messagesOf, type NdmpVersion, type RequestName } from './messages.ts';
import { SAMPLE_REQUESTS } from './samples.test-data.ts';
import { ask, CHALLENGE, errorOf, FULL_FACTS, STRICT } from './server-kit.test-data.ts';
import { step } from './server-machine.ts';
import type { ConnectionPhase, ServerState } from './server-state.ts';
import { initialServer } from './server-state.ts';

const { noError, notAuthorized, illegalArgs, illegalState } = NDMP_ERROR;
const VERSIONS: readonly NdmpVersion[] = [2, 3, 4];
const PHASES: readonly ConnectionPhase[] = ['offered', 'open', 'authed', 'closing'];

const inPhase = (version: NdmpVersion, phase: ConnectionPhase): ServerState => ({
  ...initialServer(version),
  ...{ phase, challenge: CHALLENGE },
});

/** What may be asked by who has not logged in. */
const isPublic = (name: RequestName, version: NdmpVersion): boolean =>
  ['configGetAuthAttr', 'configGetServerInfo'].includes(name) ||
  (version === 2 && name === 'configGetHostInfo');

const CONNECTION: readonly RequestName[] = ['connectOpen', 'connectClientAuth', 'connectClose'];

const cells = VERSIONS.flatMap((version) => {
  const { requests } = messagesOf(version);
  const names = (Object.keys(SAMPLE_REQUESTS) as RequestName[]).filter(
    (name) => requests[name].isSpoken && !CONNECTION.includes(name),
  );
  return PHASES.flatMap((phase) => names.map((name) => ({ version, phase, name })));
});

test.each(cells)('v$version $name when $phase', ({ version, phase, name }) => {
  const before = inPhase(version, phase);
  const after = step(before, ask(name), FULL_FACTS);
  if (phase === 'closing') {
    expect(after).toEqual({ state: before, effects: [] });
    return;
  }
  const isLetIn = phase === 'authed' || isPublic(name, version);
  expect(errorOf(after) === notAuthorized).toBe(!isLetIn);
  // Asking for anything accepts the version that was offered.
  expect(after.state.phase).toBe(phase === 'offered' ? 'open' : phase);
});

describe.each(VERSIONS)('in v%i', (version) => {
  const facts = { ...FULL_FACTS, versionMax: version };
  const other = version === 4 ? 3 : 4;
  const right = {
    type: 'md5' as const,
    user: 'ndmp',
    digest: md5Answer('secret', CHALLENGE),
  };
  const wrong = { ...right, digest: Buffer.alloc(16) };

  test.each([
    ['offered', noError, 'open', illegalArgs],
    ['open', noError, 'open', illegalState],
    ['authed', noError, 'authed', illegalState],
  ] as const)('CONNECT_OPEN when %s', (phase, again, next, another) => {
    const state = inPhase(version, phase);
    const same = step(state, ask('connectOpen', { version }), facts);
    expect([errorOf(same), same.state.phase]).toEqual([again, next]);
    const onlyThis = { ...facts, versionMin: version };
    const changed = step(state, ask('connectOpen', { version: other }), onlyThis);
    // One that is not offered at all is a wrong argument, whatever the state.
    expect([errorOf(changed), changed.state]).toEqual([illegalArgs, state]);
    const both = { ...facts, versionMin: 2 as const, versionMax: 4 as const };
    const late = step(state, ask('connectOpen', { version: other }), both);
    expect(errorOf(late)).toBe(phase === 'offered' ? noError : another);
    const strict = step(state, ask('connectOpen', { version }), {
      ...STRICT,
      ...facts,
      isStrict: true,
    });
    expect(errorOf(strict)).toBe(phase === 'offered' ? noError : illegalState);
  });

  test.each(['offered', 'open', 'authed'] as const)('CONNECT_CLIENT_AUTH when %s', (phase) => {
    const state = inPhase(version, phase);
    const judged = (auth: object) => {
      const after = step(state, ask('connectClientAuth', { auth }), facts);
      return [errorOf(after), after.state.phase];
    };
    expect(judged(right)).toEqual([noError, 'authed']);
    expect(judged(wrong)).toEqual([notAuthorized, 'open']);
    const kept = phase === 'offered' ? 'open' : phase;
    expect(judged({ type: 'none' })).toEqual([illegalArgs, kept]);
    expect(judged({ type: 'unknown', authType: 9 })).toEqual([illegalArgs, kept]);
  });

  test.each(['offered', 'open', 'authed'] as const)('CONNECT_CLOSE when %s', (phase) => {
    const { state, effects } = step(inPhase(version, phase), ask('connectClose'), facts);
    expect([state.phase, effects]).toEqual(['closing', [{ do: 'close' }]]);
  });
});
