// The mover's requests against its states in both dialects and all versions, and what its pump's
// reports lead to.

import { describe, expect, test } from 'vitest';
import {
  ADDR_TYPE,
  DATA_STATE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
  NDMP_ERROR,
  U64_MAX,
} from './constants.ts';
import type { NdmpVersion, RequestName } from './messages.ts';
import {
  ask,
  authed,
  deeds,
  errorOf,
  FULL_FACTS,
  factsWith,
  LOCAL,
  postsOf,
  RECORD_BYTES,
  run,
  STRICT,
  TAPE,
  TCP,
  withMover,
} from './server-kit.test-data.ts';
import { step } from './server-machine.ts';
import { IDLE_DATA, IDLE_MOVER, type ServerState } from './server-state.ts';

const { idle, listen, active, paused, halted } = MOVER_STATE;
const IS = NDMP_ERROR.illegalState;
const ok = NDMP_ERROR.noError;
type Cell = number | 'owed';
type Row = [RequestName, ...Cell[]];

/** Rows that are the same in every version and dialect. */
const COMMON: Row[] = [
  //                        idle listen active paused halted
  ['moverGetState', ok, ok, ok, ok, ok],
  ['moverSetRecordSize', ok, IS, IS, IS, IS],
  ['moverListen', 'owed', IS, IS, IS, IS],
  ['moverRead', IS, IS, ok, IS, IS],
  ['moverContinue', IS, IS, IS, ok, IS],
  ['moverAbort', IS, ok, ok, ok, ok],
  ['moverStop', IS, IS, IS, IS, ok],
];
const TABLES: [string, NdmpVersion, boolean, Row[]][] = [
  [
    'v4 strict',
    4,
    true,
    [
      ...COMMON,
      ['moverConnect', 'owed', IS, IS, IS, IS],
      ['moverSetWindow', ok, IS, IS, ok, IS],
      ['moverClose', IS, IS, IS, ok, IS],
    ],
  ],
  [
    'v4 lenient',
    4,
    false,
    [
      ...COMMON,
      ['moverConnect', 'owed', IS, IS, IS, IS],
      ['moverSetWindow', ok, IS, IS, ok, IS],
      ['moverClose', IS, IS, ok, ok, IS],
    ],
  ],
  [
    'v3 strict',
    3,
    true,
    [
      ...COMMON,
      ['moverConnect', 'owed', IS, IS, IS, IS],
      ['moverSetWindow', IS, ok, IS, ok, IS],
      ['moverClose', IS, IS, IS, ok, IS],
    ],
  ],
  [
    'v3 lenient',
    3,
    false,
    [
      ...COMMON,
      ['moverConnect', 'owed', IS, IS, IS, IS],
      ['moverSetWindow', ok, ok, IS, ok, IS],
      ['moverClose', IS, IS, ok, ok, IS],
    ],
  ],
  [
    'v2 lenient',
    2,
    false,
    [...COMMON, ['moverSetWindow', ok, ok, IS, ok, IS], ['moverClose', IS, IS, ok, ok, IS]],
  ],
];

const BODIES: Partial<Record<RequestName, unknown>> = {
  moverListen: { mode: MOVER_MODE.read, addressType: ADDR_TYPE.tcp },
  moverConnect: { mode: MOVER_MODE.read, address: TCP },
  moverSetWindow: { offset: 0n, length: 1024n },
  moverRead: { offset: 0n, length: 512n },
};
const body = (name: RequestName): unknown => BODIES[name] ?? ask(name).body;

describe.each(TABLES)('MOVER requests by state: %s', (_title, version, isStrict, rows) => {
  const cases = rows.flatMap(([name, ...cells]) =>
    [idle, listen, active, paused, halted].map((state, i) => ({ name, state, cell: cells[i] })),
  );
  test.each(cases)('$name in state $state', ({ name, state, cell }) => {
    // A window set since the pause, which strict CONTINUE asks for.
    const before = withMover(state, { windowIsNew: state === paused }, version);
    const facts = isStrict ? STRICT : FULL_FACTS;
    const after = step(before, ask(name, body(name)), facts);
    if (cell === 'owed') {
      expect(errorOf(after)).toBeUndefined();
      expect(after.state.owed).toMatchObject({ name, sequence: 5 });
    } else expect(errorOf(after)).toBe(cell);
    if (cell === IS) expect(after.state).toBe(before);
    const isHalting = ['moverAbort', 'moverClose'].includes(name) && state !== halted;
    expect(postsOf(after)).toHaveLength(isHalting && cell === ok ? 1 : 0);
  });
});

describe('arguments come before the state', () => {
  const legal = { mode: MOVER_MODE.read, addressType: ADDR_TYPE.tcp };
  test.each([
    ['moverListen', { ...legal, mode: 123 }],
    ['moverListen', { ...legal, mode: MOVER_MODE.noAction }],
    ['moverListen', { ...legal, addressType: 123 }],
    ['moverListen', { ...legal, addressType: ADDR_TYPE.ipc }],
    ['moverConnect', { mode: 123, address: TCP }],
    ['moverConnect', { mode: 0, address: { type: 'unknown', addrType: 123 } }],
    ['moverConnect', { mode: 0, address: { type: 'tcp', endpoints: [] } }],
    ['moverSetRecordSize', { recordSize: 0 }],
    ['moverSetRecordSize', { recordSize: 0xffff_ffff }],
    ['moverSetWindow', { offset: 1n, length: 0n }],
    ['moverSetWindow', { offset: 2n, length: U64_MAX - 1n }],
    ['moverRead', { offset: 0n, length: 0n }],
    ['moverRead', { offset: 2n, length: U64_MAX - 1n }],
  ] as [RequestName, unknown][])('%s %o', (name, bad) => {
    for (const state of [idle, listen, active, paused, halted]) {
      expect(errorOf(step(withMover(state), ask(name, bad), FULL_FACTS))).toBe(
        NDMP_ERROR.illegalArgs,
      );
    }
  });
});

describe('LISTEN and CONNECT look at everything around them', () => {
  const toListen = (mode: number, addressType: number) => ask('moverListen', { mode, addressType });
  const toConnect = (mode: number, address: unknown) => ask('moverConnect', { mode, address });
  const { read, write } = MOVER_MODE;
  const readOnly: ServerState = { ...withMover(idle), device: { ...TAPE, mode: 0 } as never };
  const closed: ServerState = { ...withMover(idle), device: { kind: 'none' } };
  const dataBusy: ServerState = {
    ...withMover(idle),
    data: { ...IDLE_DATA, state: DATA_STATE.connected, address: TCP },
  };
  const dataWaits: ServerState = {
    ...withMover(idle),
    data: { ...IDLE_DATA, state: DATA_STATE.listen, address: LOCAL },
  };
  const bare = (changes: Partial<ServerState['mover']>): ServerState => withMover(idle, changes);

  test.each([
    ['no drive', closed, toListen(read, 0), NDMP_ERROR.deviceNotOpen],
    ['no drive', closed, toConnect(write, TCP), NDMP_ERROR.deviceNotOpen],
    ['a read-only drive', readOnly, toListen(read, 1), NDMP_ERROR.permission],
    ['DATA is busy', dataBusy, toListen(read, 1), IS],
    ['DATA does not listen', withMover(idle), toConnect(read, LOCAL), IS],
    ['DATA listens elsewhere', dataBusy, toConnect(read, LOCAL), IS],
  ])('%s', (_title, state, request, error) => {
    for (const facts of [FULL_FACTS, STRICT]) {
      expect(errorOf(step(state, request, facts))).toBe(error);
    }
  });

  test.each([
    ['record size never set', bare({ recordSize: 0, window: undefined }), toListen(read, 1)],
    ['window never set', bare({ window: undefined }), toListen(write, 1)],
    ['half a record to write', bare({ window: { offset: 0n, length: 700n } }), toListen(read, 1)],
    ['half a record to start', bare({ window: { offset: 9n, length: 512n } }), toListen(write, 1)],
  ])('%s: only the letter of the law minds', (_title, state, request) => {
    expect(errorOf(step(state, request, STRICT))).toBe(NDMP_ERROR.precondition);
    expect(step(state, request, FULL_FACTS).state.owed?.name).toBe(request.name);
  });

  test('a mover that writes may have a window that ends within a record', () => {
    const state = bare({ window: { offset: 512n, length: 700n } });
    expect(step(state, toListen(write, 1), STRICT).state.owed?.name).toBe('moverListen');
  });

  test('strict: TCP to a session whose DATA service is busy is no stream of this session', () => {
    expect(errorOf(step(dataBusy, toConnect(read, TCP), STRICT))).toBe(IS);
    expect(step(dataBusy, toConnect(read, TCP), FULL_FACTS).state.owed?.name).toBe('moverConnect');
  });

  test('what was never set gets the values that DMAs count on', () => {
    const fresh = { ...authed(), device: TAPE, mover: IDLE_MOVER };
    const { effects } = run(fresh, [
      toListen(read, ADDR_TYPE.tcp),
      { type: 'moverListening', address: TCP },
      { type: 'moverPeerConnected', address: TCP },
    ]);
    expect(effects.at(-1)).toEqual({
      do: 'moverRun',
      order: {
        mode: read,
        recordSizeBytes: 10_240,
        window: { offset: 0n, length: U64_MAX },
        windowIsNew: true,
        crossing: false,
      },
    });
  });

  test('CONNECT(LOCAL) joins the DATA service that listens', () => {
    const { state, effects } = run(dataWaits, [
      toConnect(read, LOCAL),
      { type: 'moverConnected', address: LOCAL },
    ]);
    expect([state.mover.state, state.data.state]).toEqual([active, DATA_STATE.connected]);
    expect(effects.map((effect) => effect.do)).toEqual(['moverConnect', 'reply', 'moverRun']);
  });

  test('a connection that fails leaves the mover idle', () => {
    const before = withMover(idle);
    const { state, effects } = run(before, [
      toConnect(read, TCP),
      { type: 'failed', error: NDMP_ERROR.connect },
    ]);
    expect(errorOf({ effects })).toBe(NDMP_ERROR.connect);
    expect(state).toEqual(before);
  });
});

describe('windows', () => {
  const set = (offset: bigint, length: bigint) => ask('moverSetWindow', { offset, length });

  test('zero and zero clears a window, but not for the letter of the law', () => {
    const cleared = step(withMover(idle), set(0n, 0n), FULL_FACTS);
    expect([errorOf(cleared), cleared.state.mover.window]).toEqual([ok, undefined]);
    expect(errorOf(step(withMover(idle), set(0n, 0n), STRICT))).toBe(NDMP_ERROR.illegalArgs);
  });

  test('before any record size', () => {
    const state = withMover(idle, { recordSize: 0, window: undefined });
    expect(errorOf(step(state, set(0n, 512n), STRICT))).toBe(NDMP_ERROR.precondition);
    expect(errorOf(step(state, set(0n, 512n), FULL_FACTS))).toBe(ok);
  });

  test('all ones after another offset is cut to what is left', () => {
    const { state } = step(withMover(idle), set(1024n, U64_MAX), FULL_FACTS);
    expect(state.mover.window).toEqual({ offset: 1024n, length: U64_MAX - 1024n });
    expect(errorOf(step(withMover(idle), set(1024n, U64_MAX), STRICT))).toBe(
      NDMP_ERROR.illegalArgs,
    );
    const whole = step(withMover(idle), set(1024n, U64_MAX - 1024n), STRICT);
    expect(errorOf(whole)).toBe(ok);
  });

  test.each([
    ['a whole number of records', MOVER_MODE.read, 0n, 1024n, ok],
    ['half a record', MOVER_MODE.read, 0n, 700n, NDMP_ERROR.illegalArgs],
    ['to the end', MOVER_MODE.read, 100n, U64_MAX - 100n, ok],
    ['an end within a record', MOVER_MODE.write, 512n, 700n, ok],
    ['a start within a record', MOVER_MODE.write, 100n, 512n, NDMP_ERROR.illegalArgs],
  ])('in PAUSED the mode decides: %s', (_title, mode, offset, length, error) => {
    const state = withMover(paused, { mode });
    expect(errorOf(step(state, set(offset, length), FULL_FACTS))).toBe(error);
  });

  test.each([2, 3] as const)('v%i wants whole records at once', (version) => {
    const state = withMover(listen, {}, version);
    expect(errorOf(step(state, set(0n, 700n), FULL_FACTS))).toBe(NDMP_ERROR.illegalArgs);
    expect(errorOf(step(state, set(100n, 512n), FULL_FACTS))).toBe(NDMP_ERROR.illegalArgs);
    expect(errorOf(step(state, set(512n, U64_MAX), FULL_FACTS))).toBe(ok);
  });

  test('record number and window show in the state until bytes move', () => {
    const facts = factsWith({ bytesMoved: 99n, recordNumber: 40 });
    const asked = run(withMover(paused), [set(5120n, 1024n), ask('moverGetState')], facts);
    expect(asked.effects.at(-1)).toMatchObject({
      body: { recordNumber: 10, windowOffset: 5120n, windowLength: 1024n, bytesMoved: 99n },
    });
    const running = run(withMover(active), [ask('moverGetState')], facts);
    expect(running.effects.at(-1)).toMatchObject({ body: { recordNumber: 40, bytesMoved: 99n } });
  });

  test('a new record size takes the window away', () => {
    const { state } = step(withMover(idle), ask('moverSetRecordSize', { recordSize: 64 }), STRICT);
    expect(state.mover).toMatchObject({ recordSize: 64, window: undefined });
  });
});

describe('MOVER_READ', () => {
  const read = ask('moverRead', { offset: 512n, length: 100n });

  test('goes to the pump and shows as the seek position', () => {
    const { state, effects } = run(withMover(active), [read]);
    expect(effects[1]).toEqual({ do: 'moverRead', offset: 512n, length: 100n });
    expect(state.mover.seekPosition).toBe(512n);
  });

  test.each([
    ['while another runs', withMover(active), 4n, NDMP_ERROR.readInProgress],
    ['of a mover that reads the stream', withMover(active, { mode: MOVER_MODE.read }), 0n, IS],
    ['of a local connection', withMover(active, { address: LOCAL }), 0n, IS],
  ])('%s is refused', (_title, state, bytesLeftToRead, error) => {
    expect(errorOf(step(state, read, factsWith({ bytesLeftToRead })))).toBe(error);
  });
});

describe('CONTINUE', () => {
  const goOn = ask('moverContinue');

  test('needs a drive that can do it, and by the letter a new window', () => {
    const closed: ServerState = { ...withMover(paused), device: { kind: 'none' } };
    expect(errorOf(step(closed, goOn, FULL_FACTS))).toBe(NDMP_ERROR.deviceNotOpen);
    const backup = withMover(paused, { mode: MOVER_MODE.read });
    const readOnly: ServerState = { ...backup, device: { ...TAPE, mode: 0 } as never };
    expect(errorOf(step(readOnly, goOn, FULL_FACTS))).toBe(NDMP_ERROR.permission);
    expect(errorOf(step(backup, goOn, STRICT))).toBe(NDMP_ERROR.precondition);
    const old = withMover(paused, {}, 3);
    expect(errorOf(step(old, goOn, STRICT))).toBe(ok);
  });

  test('tells the pump whether the window is new', () => {
    const set = ask('moverSetWindow', { offset: 1024n, length: 1024n });
    const orders = [[goOn], [set, goOn]].map(
      (events) => run(withMover(paused), events).effects.at(-1) as { order: unknown },
    );
    expect(orders.map(({ order }) => order)).toMatchObject([
      { windowIsNew: false, window: { offset: 0n } },
      { windowIsNew: true, window: { offset: 1024n } },
    ]);
  });
});

describe('what the pump reports', () => {
  test('a pause is posted, and the state shows its reason', () => {
    const { state, effects } = run(withMover(active), [
      { type: 'moverPaused', reason: MOVER_PAUSE.seek, seekPosition: 4096n },
    ]);
    expect(postsOf({ effects })).toEqual([
      ['notifyMoverPaused', { reason: MOVER_PAUSE.seek, seekPosition: 4096n }],
    ]);
    expect(state.mover).toMatchObject({ state: paused, pauseReason: MOVER_PAUSE.seek });
  });

  test.each([listen, active, paused])('in state %i the end is posted once', (from) => {
    const end = { type: 'moverHalted' as const, reason: MOVER_HALT.connectError };
    const { state, effects } = run(withMover(from), [end, end]);
    expect(postsOf({ effects })).toEqual([
      ['notifyMoverHalted', { reason: MOVER_HALT.connectError, text: '' }],
    ]);
    expect(state.mover).toMatchObject({ state: halted, pauseReason: MOVER_PAUSE.na });
  });

  test('late reports do nothing', () => {
    for (const state of [withMover(idle), withMover(halted)]) {
      for (const event of [
        { type: 'moverPaused' as const, reason: 1, seekPosition: 0n },
        { type: 'moverHalted' as const, reason: 1 },
        { type: 'moverPeerConnected' as const, address: TCP },
      ]) {
        expect(step(state, event, FULL_FACTS)).toEqual({ state, effects: [] });
      }
    }
  });

  test('abort replies, ends the connection, posts; stop keeps the record size', () => {
    const { state, effects } = run(withMover(active), [ask('moverAbort'), ask('moverStop')]);
    expect(deeds({ effects })).toEqual(['reply', 'moverAbort', 'post', 'moverRelease', 'reply']);
    expect(state.mover).toEqual({ ...IDLE_MOVER, recordSize: RECORD_BYTES });
  });

  test('what a backup wrote wants a filemark before the tape moves away', () => {
    const backup = withMover(active, { mode: MOVER_MODE.read });
    const end = { type: 'moverHalted' as const, reason: MOVER_HALT.connectClosed };
    const wrote = run(backup, [end], factsWith({ bytesMoved: 512n }));
    expect(wrote.state.device).toMatchObject({ isUnmarked: true });
    const wroteNothing = run(backup, [end], factsWith({}));
    expect(wroteNothing.state.device).toMatchObject({ isUnmarked: false });
  });
});

describe('mover and DATA of one session', () => {
  const listening = withMover(listen, { mode: MOVER_MODE.read, address: LOCAL });

  test('a local backup: listen, connect, start, end', () => {
    const joined = run(listening, [
      ask('dataConnect', { address: LOCAL }),
      { type: 'dialled', address: LOCAL },
      { type: 'moverPeerConnected', address: LOCAL },
    ]);
    expect(deeds(joined)).toEqual(['dial', 'reply', 'moverRun']);
    expect([joined.state.data.state, joined.state.mover.state]).toEqual([
      DATA_STATE.connected,
      active,
    ]);
    const started = run(joined.state, [ask('dataStartBackup'), { type: 'started', env: [] }]);
    expect(started.state.data.state).toBe(DATA_STATE.active);
  });

  test('the direction must fit: a backup needs a mover that reads', () => {
    const joined = run(withMover(listen, { mode: MOVER_MODE.write, address: LOCAL }), [
      ask('dataConnect', { address: LOCAL }),
      { type: 'dialled', address: LOCAL },
    ]);
    expect(errorOf(step(joined.state, ask('dataStartBackup'), FULL_FACTS))).toBe(IS);
    expect(step(joined.state, ask('dataStartRecover'), FULL_FACTS).state.owed).toBeDefined();
  });

  test('a local recovery drives the mover without a post', () => {
    const data = { ...IDLE_DATA, state: DATA_STATE.active, address: LOCAL };
    const state = { ...withMover(active, { address: LOCAL }), data };
    const { effects } = run(state, [{ type: 'dataRead', offset: 512n, length: 99n }]);
    expect(effects).toEqual([{ do: 'moverRead', offset: 512n, length: 99n }]);
  });

  test('DATA_CONNECT(LOCAL) without a mover that waits is refused', () => {
    const connect = ask('dataConnect', { address: LOCAL });
    expect(errorOf(step(withMover(idle), connect, FULL_FACTS))).toBe(IS);
    expect(errorOf(step(withMover(listen), connect, FULL_FACTS))).toBe(IS);
  });

  test('DATA_LISTEN needs a mover that is idle', () => {
    const request = ask('dataListen', { addressType: ADDR_TYPE.tcp });
    expect(errorOf(step(listening, request, FULL_FACTS))).toBe(IS);
  });

  test('v2: the start makes the connection, and a refused start undoes it', () => {
    const old = withMover(listen, { mode: MOVER_MODE.read, address: LOCAL }, 2);
    const start = ask('dataStartBackup', { butype: 'dump', env: [], mover: LOCAL });
    const dialling = run(old, [start, { type: 'dialled', address: LOCAL }]);
    expect(deeds(dialling)).toEqual(['dial', 'start', 'moverRun']);
    const begun = run(dialling.state, [{ type: 'started', env: [] }]);
    expect([errorOf(begun), begun.state.data.state]).toEqual([ok, DATA_STATE.active]);
    const refused = run(dialling.state, [{ type: 'failed', error: NDMP_ERROR.illegalArgs }]);
    expect(deeds(refused)).toEqual(['abortData', 'reply']);
    expect(refused.state.data).toEqual(IDLE_DATA);
  });

  test('v2: a remote mover, and one that cannot be reached', () => {
    const start = ask('dataStartRecover', { butype: 'dump', env: [], names: [], mover: TCP });
    const dialling = run(authed(2), [start, { type: 'dialled', address: TCP }]);
    expect(dialling.effects.at(-1)).toMatchObject({ do: 'start', operation: 2, butype: 'dump' });
    const failed = run(authed(2), [start, { type: 'failed', error: NDMP_ERROR.connect }]);
    expect(failed.state).toEqual(authed(2));
    const bad = ask('dataStartBackup', { butype: 'x', env: [], mover: { type: 'unknown' } });
    expect(errorOf(step(authed(2), bad, FULL_FACTS))).toBe(NDMP_ERROR.illegalArgs);
  });
});

test('without a TAPE service every MOVER request is unsupported', () => {
  const facts = { ...FULL_FACTS, hasTape: false };
  for (const name of ['moverGetState', 'moverListen', 'moverStop'] as const) {
    expect(errorOf(step(authed(), ask(name), facts))).toBe(NDMP_ERROR.notSupported);
  }
});
