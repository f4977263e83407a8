// The server's states against every DATA request, what effects lead to, and who may ask before log-in.

import { describe, expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import {
  ADDR_TYPE,
  AUTH_TYPE,
  DATA_HALT,
  DATA_STATE,
  NDMP_ERROR,
  U32_MAX,
  U64_MAX,
} from './constants.ts';
import type { RequestName } from './messages.ts';
import { SAMPLE_REQUESTS } from './samples.test-data.ts';
import { step } from './server-machine.ts';
import {
  type AnyRequest,
  type Effect,
  IDLE_DATA,
  INITIAL_SERVER,
  initialServer,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
} from './server-state.ts';

const challenge = Buffer.alloc(64, 9);
const facts: ServerFacts = {
  user: 'ndmp',
  password: 'secret',
  allowText: false,
  addressTypes: [ADDR_TYPE.tcp],
  authFailuresMax: 3,
  newChallenge: () => challenge,
  bytesProcessed: () => 77n,
};
const authed: ServerState = { ...INITIAL_SERVER, phase: 'authed' };
const { idle, listen, connected, active, halted } = DATA_STATE;
const address = {
  type: 'tcp' as const,
  endpoints: [{ host: '10.0.0.1', port: 4000, env: [] }],
};
const inState = (state: number): ServerState => ({
  ...authed,
  data: state === idle ? IDLE_DATA : { ...IDLE_DATA, state, address },
});

function request(name: RequestName, body: unknown = SAMPLE_REQUESTS[name]): AnyRequest {
  return { type: 'request', sequence: 5, name, body } as AnyRequest;
}

const replyError = (effects: readonly Effect[]): unknown => {
  const reply = effects.find((effect) => effect.do === 'reply');
  return reply?.do === 'reply' ? reply.body.error : undefined;
};
const posts = (effects: readonly Effect[]): unknown[] =>
  effects.filter((effect) => effect.do === 'post').map((effect) => [effect.name, effect.body]);

/** Feeds events one after the other; all effects in order. */
function run(state: ServerState, ...events: ServerEvent[]) {
  let current = state;
  const effects: Effect[] = [];
  for (const event of events) {
    const next = step(current, event, facts);
    current = next.state;
    effects.push(...next.effects);
  }
  return { state: current, effects };
}

const IS = NDMP_ERROR.illegalState;
const ok = 0;
/** "effect": accepted, the reply waits for the outcome. */
const TABLE: [RequestName, ...(number | 'effect')[]][] = [
  //                              idle      listen connected active halted
  ['dataGetState', ok, ok, ok, ok, ok],
  ['dataListen', 'effect', IS, IS, IS, IS],
  ['dataConnect', 'effect', IS, IS, IS, IS],
  ['dataStartBackup', IS, IS, 'effect', IS, IS],
  ['dataStartRecover', IS, IS, 'effect', IS, IS],
  ['dataStartRecoverFileHistory', IS, IS, 'effect', IS, IS],
  ['dataGetEnv', IS, IS, IS, ok, ok],
  ['dataAbort', IS, ok, ok, ok, ok],
  ['dataStop', IS, IS, IS, IS, ok],
];

describe.each([false, true])('DATA requests by state, strict: %s', (isStrict) => {
  const cases = TABLE.flatMap(([name, ...cells]) =>
    [idle, listen, connected, active, halted].map((state, i) => ({ name, state, cell: cells[i] })),
  );
  test.each(cases)('$name in state $state', ({ name, state, cell }) => {
    const before = inState(state);
    const body = name === 'dataListen' ? { addressType: ADDR_TYPE.tcp } : SAMPLE_REQUESTS[name];
    const after = step(before, request(name, body), { ...facts, isStrict });
    if (cell === 'effect') {
      expect(replyError(after.effects)).toBeUndefined();
      expect(after.state.owed).toEqual({ name, sequence: 5 });
    } else expect(replyError(after.effects)).toBe(cell);
    if (cell === IS) expect(after.state).toBe(before);
  });

  test.each([
    ['dataListen', { addressType: 123 }],
    ['dataListen', { addressType: ADDR_TYPE.local }],
    ['dataConnect', { address: { type: 'local' } }],
    ['dataConnect', { address: { type: 'unknown', addrType: 123 } }],
    ['dataConnect', { address: { type: 'tcp', endpoints: [] } }],
  ] as const)('%s checks its argument before the state', (name, body) => {
    for (const state of [idle, active]) {
      const { effects } = step(inState(state), request(name, body), facts);
      expect(replyError(effects)).toBe(NDMP_ERROR.illegalArgs);
    }
  });
});

describe('a DATA operation', () => {
  test('listen, accept, backup, halt, environment, stop', () => {
    const listening = run(
      authed,
      request('dataListen', { addressType: 1 }),
      { type: 'listening', address },
      { type: 'peerConnected', address },
    );
    expect(listening.effects.map((effect) => effect.do)).toEqual(['listen', 'reply']);
    expect(listening.state.data.state).toBe(connected);
    const env = [{ name: 'A', value: 'b' }];
    const ended = run(
      listening.state,
      request('dataStartBackup'),
      { type: 'started', env },
      { type: 'ended', reason: DATA_HALT.successful, env },
      { type: 'ended', reason: DATA_HALT.connectError, env },
    );
    expect(ended.state.data).toMatchObject({ state: halted, operation: 1, haltReason: 1, env });
    expect(posts(ended.effects)).toEqual([['notifyDataHalted', { reason: 1, text: '' }]]);
    const stopped = run(ended.state, request('dataStop'));
    expect(stopped.state.data).toEqual(IDLE_DATA);
    expect(stopped.effects[0]).toEqual({ do: 'releaseData', successful: true });
  });

  test('abort replies first, ends the connection, then posts the halt once', () => {
    const { state, effects } = run(inState(active), request('dataAbort'), request('dataAbort'));
    expect(effects.map((effect) => effect.do)).toEqual(['reply', 'abortData', 'post', 'reply']);
    expect(state.data).toMatchObject({ state: halted, haltReason: DATA_HALT.aborted });
    const stopped = run(state, request('dataStop'));
    expect(stopped.effects[0]).toEqual({ do: 'releaseData', successful: false });
  });

  test('a failed effect changes nothing, and its log line goes before the reply', () => {
    const failed = run(inState(connected), request('dataStartBackup'), {
      type: 'failed',
      error: NDMP_ERROR.illegalArgs,
      text: 'FILESYSTEM is missing',
    });
    expect(failed.effects.map((effect) => effect.do)).toEqual(['start', 'post', 'reply']);
    expect(failed.state).toEqual(inState(connected));
  });

  test('a connection that dies while a start is prepared refuses the start', () => {
    const { state, effects } = run(
      inState(connected),
      request('dataStartBackup'),
      { type: 'ended', reason: DATA_HALT.connectError, env: [] },
      { type: 'started', env: [] },
    );
    expect(state.data).toMatchObject({ state: halted, haltReason: DATA_HALT.connectError });
    expect(replyError(effects)).toBe(IS);
    expect(posts(effects)).toHaveLength(1);
  });

  test('late reports of an ended operation do nothing', () => {
    const late: ServerEvent[] = [
      { type: 'dataRead', offset: 0n, length: 1n },
      { type: 'ended', reason: 1, env: [] },
      { type: 'peerConnected', address },
    ];
    for (const event of late) {
      expect(step(inState(idle), event, facts)).toEqual({ state: inState(idle), effects: [] });
    }
  });

  test('an outcome settles only the request that it belongs to', () => {
    const owed = (name: RequestName): ServerState => ({
      ...inState(halted),
      owed: { name, sequence: 5 },
    });
    const cases: [RequestName, ServerEvent][] = [
      ['configGetFsInfo', { type: 'listening', address }],
      ['configGetFsInfo', { type: 'dialled', address }],
      ['configGetFsInfo', { type: 'started', env: [] }],
      ['configGetFsInfo', { type: 'moverListening', address }],
      ['configGetFsInfo', { type: 'moverConnected', address }],
      ['dataListen', { type: 'answered', body: {} }],
      ['moverConnect', { type: 'answered', body: {} }],
    ];
    for (const [name, event] of cases) {
      const state = owed(name);
      expect(step(state, event, facts)).toEqual({ state, effects: [] });
    }
  });

  test('what is left is told while an operation runs, where anything tells', () => {
    const told = (state: number, remaining: ServerFacts['remaining'], version: 2 | 3 | 4 = 4) => {
      const before = { ...inState(state), version };
      const known = remaining === undefined ? facts : { ...facts, remaining };
      return step(before, request('dataGetState'), known).effects[0];
    };
    const known = () => ({ bytes: 5_000n, seconds: 61 });
    for (const version of [2, 3, 4] as const) {
      expect(told(active, known, version)).toMatchObject({
        body: { unsupported: 0, bytesRemain: 5_000n, timeRemain: 61 },
      });
    }
    const unknown = { unsupported: 3, bytesRemain: U64_MAX, timeRemain: U32_MAX };
    expect(told(active, () => undefined)).toMatchObject({ body: unknown });
    expect(told(halted, known)).toMatchObject({ body: unknown });
    const endless = () => ({ bytes: 1n, seconds: Number.POSITIVE_INFINITY });
    expect(told(active, endless)).toMatchObject({ body: { timeRemain: U32_MAX } });
  });

  test('data reads are posted and shown in the state', () => {
    const { state, effects } = run(inState(active), { type: 'dataRead', offset: 512n, length: 9n });
    expect(posts(effects)).toEqual([['notifyDataRead', { offset: 512n, length: 9n }]]);
    expect(state.data).toMatchObject({ readOffset: 512n, readLength: 9n });
    const shown = run(state, request('dataGetState')).effects[0];
    expect(shown).toMatchObject({ body: { bytesProcessed: 77n, readOffset: 512n } });
  });
});

describe('log-in', () => {
  const digest = md5Answer('secret', challenge);
  const login = (auth: unknown): AnyRequest => request('connectClientAuth', { auth });
  const ask = request('configGetAuthAttr', { authType: AUTH_TYPE.md5 });
  const right = login({ type: 'md5', user: 'ndmp', digest });

  test.each([3, 4])('version %i is agreed once and cannot change', (version) => {
    const opened = run(INITIAL_SERVER, request('connectOpen', { version }));
    expect([opened.state.phase, opened.state.version]).toEqual(['open', version]);
    const same = run(opened.state, request('connectOpen', { version }));
    expect(replyError(same.effects)).toBe(0);
    const other = run(opened.state, request('connectOpen', { version: 7 - version }));
    expect(replyError(other.effects)).toBe(IS);
  });

  test.each([0, 1, 2, 5])('version %i is refused, and another may be tried', (version) => {
    const { state, effects } = run(INITIAL_SERVER, request('connectOpen', { version }));
    expect(replyError(effects)).toBe(NDMP_ERROR.illegalArgs);
    expect(state.phase).toBe('offered');
  });

  test('only the few pre-log-in requests are answered before it', () => {
    for (const name of Object.keys(SAMPLE_REQUESTS) as RequestName[]) {
      const { effects } = run(INITIAL_SERVER, request(name));
      const isRefused = replyError(effects) === NDMP_ERROR.notAuthorized;
      const isOpen = ['connect', 'configGetAuthAttr', 'configGetServerInfo'].some((prefix) =>
        name.startsWith(prefix),
      );
      expect([name, isRefused]).toEqual([name, !isOpen || refusedByNature(name)]);
    }
  });

  test.each([
    ['a session that is open', 'open'],
    ['a session that is logged in', 'authed'],
  ] as const)('CONNECT_OPEN again on %s', (_title, phase) => {
    const state = { ...INITIAL_SERVER, phase };
    const again = (version: number, isStrict: boolean): unknown =>
      replyError(step(state, request('connectOpen', { version }), { ...facts, isStrict }).effects);
    expect([again(4, false), again(4, true)]).toEqual([0, IS]);
    expect([again(3, false), again(3, true)]).toEqual([IS, IS]);
  });

  test('the highest and the lowest version are the server’s to choose', () => {
    const tried = (versionMin: 2 | 3 | 4, versionMax: 2 | 3 | 4): number[] =>
      [1, 2, 3, 4, 5].filter((version) => {
        const { effects } = step(initialServer(versionMax), request('connectOpen', { version }), {
          ...facts,
          versionMin,
          versionMax,
        });
        return replyError(effects) === 0;
      });
    expect([tried(2, 4), tried(3, 3), tried(2, 3)]).toEqual([[2, 3, 4], [3], [2, 3]]);
  });

  test('in v2 the host tells how to log in, before the log-in', () => {
    const ask = request('configGetHostInfo');
    const old = step(initialServer(2), ask, facts);
    expect(old.effects.map((effect) => effect.do)).toEqual(['answer']);
    expect(replyError(step(initialServer(3), ask, facts).effects)).toBe(NDMP_ERROR.notAuthorized);
  });

  test.each(['open', 'authed'] as const)('in phase %s a log-in is judged anew', (phase) => {
    const state: ServerState = { ...INITIAL_SERVER, phase };
    const wrong = login({ type: 'md5', user: 'ndmp', digest });
    expect(step(state, wrong, facts).state.phase).toBe('open');
    const back = request('connectServerAuth');
    const error = phase === 'authed' ? NDMP_ERROR.noError : NDMP_ERROR.notAuthorized;
    expect(replyError(step(state, back, facts).effects)).toBe(error);
  });

  /** Wrong digest without a challenge, and server authentication, which comes after the DMA's. */
  const refusedByNature = (name: RequestName): boolean =>
    name === 'connectClientAuth' || name === 'connectServerAuth';

  test('the right digest logs in; the same digest again does not', () => {
    const first = run(INITIAL_SERVER, ask, right);
    expect(first.state.phase).toBe('authed');
    const replayed = run(first.state, right);
    expect(replayed.state.phase).toBe('open');
    expect(replyError(replayed.effects)).toBe(NDMP_ERROR.notAuthorized);
  });

  test.each([
    ['another user', { type: 'md5', user: 'root', digest }],
    ['a wrong digest', { type: 'md5', user: 'ndmp', digest: Buffer.alloc(16) }],
  ])('%s is refused', (_what, auth) => {
    expect(run(INITIAL_SERVER, ask, login(auth)).state.phase).toBe('open');
  });

  test('text works only where it is allowed, none never', () => {
    const text = login({ type: 'text', user: 'ndmp', password: 'secret' });
    const refused = run(INITIAL_SERVER, text);
    expect(replyError(refused.effects)).toBe(NDMP_ERROR.illegalArgs);
    const allowed = step(INITIAL_SERVER, text, { ...facts, allowText: true });
    expect(allowed.state.phase).toBe('authed');
    const none = step(INITIAL_SERVER, login({ type: 'none' }), { ...facts, allowText: true });
    expect(replyError(none.effects)).toBe(NDMP_ERROR.illegalArgs);
  });

  test('after too many failures the connection closes', () => {
    const wrong = login({ type: 'md5', user: 'ndmp', digest: Buffer.alloc(16) });
    const { effects } = run(INITIAL_SERVER, wrong, wrong, wrong);
    expect(effects.map((effect) => effect.do)).toEqual([
      'reply',
      'penalise',
      'reply',
      'penalise',
      'reply',
      'close',
    ]);
  });

  test('an empty password never logs in', () => {
    const empty = login({ type: 'md5', user: 'ndmp', digest: md5Answer('', challenge) });
    const state = step(INITIAL_SERVER, ask, { ...facts, password: '' }).state;
    expect(step(state, empty, { ...facts, password: '' }).state.phase).toBe('open');
  });

  test('close aborts what runs and ends everything', () => {
    const closed = run(inState(active), request('connectClose'));
    expect(closed.effects.map((effect) => effect.do)).toEqual(['abortData', 'close']);
    expect(run(closed.state, request('dataGetState')).effects).toEqual([]);
  });
});
