// TAPE and SCSI requests against closed, open and held devices; filemarks that nobody asked for; and
// the negotiation of extensions.

import { describe, expect, test } from 'vitest';
import { MOVER_STATE, NDMP_ERROR, TAPE_MTIO, TAPE_OPEN_MODE, U32_MAX } from './constants.ts';
import type { RequestName } from './messages.ts';
import {
  ask,
  authed,
  deeds,
  errorOf,
  FULL_FACTS,
  factsWith,
  run,
  STRICT,
  TAPE,
  withMover,
} from './server-kit.test-data.ts';
import { step } from './server-machine.ts';
import type { Effect, ServerFacts, ServerState } from './server-state.ts';

const ok = NDMP_ERROR.noError;
const { deviceNotOpen, deviceOpened, deviceBusy, illegalArgs, permission } = NDMP_ERROR;
const tape: ServerState = { ...authed(), device: TAPE };
const scsi: ServerState = { ...authed(), device: { kind: 'scsi' } };
const readOnly = { ...authed(), device: { ...TAPE, mode: TAPE_OPEN_MODE.read } } as ServerState;

type Cell = number | 'owed';
const TABLE: [RequestName, ...Cell[]][] = [
  //                     closed, scsi open, tape open, held by the mover
  ['tapeOpen', 'owed', deviceOpened, deviceOpened, deviceOpened],
  ['tapeClose', deviceNotOpen, deviceNotOpen, 'owed', deviceBusy],
  ['tapeGetState', deviceNotOpen, deviceNotOpen, 'owed', 'owed'],
  ['tapeMtio', deviceNotOpen, deviceNotOpen, 'owed', deviceBusy],
  ['tapeWrite', deviceNotOpen, deviceNotOpen, 'owed', deviceBusy],
  ['tapeRead', deviceNotOpen, deviceNotOpen, 'owed', deviceBusy],
  ['tapeExecuteCdb', deviceNotOpen, deviceNotOpen, 'owed', deviceBusy],
  ['scsiOpen', 'owed', deviceOpened, deviceOpened, deviceOpened],
  ['scsiClose', deviceNotOpen, 'owed', deviceNotOpen, deviceNotOpen],
  ['scsiGetState', deviceNotOpen, 'owed', deviceNotOpen, deviceNotOpen],
  ['scsiSetTarget', deviceNotOpen, 'owed', deviceNotOpen, deviceNotOpen],
  ['scsiResetDevice', deviceNotOpen, 'owed', deviceNotOpen, deviceNotOpen],
  ['scsiResetBus', deviceNotOpen, 'owed', deviceNotOpen, deviceNotOpen],
  ['scsiExecuteCdb', deviceNotOpen, 'owed', deviceNotOpen, deviceNotOpen],
];

describe.each([FULL_FACTS, STRICT])('device requests by what is open (%#)', (facts) => {
  const cases = TABLE.flatMap(([name, ...cells]) =>
    [authed(), scsi, tape, withMover(MOVER_STATE.active), withMover(MOVER_STATE.listen)].map(
      (state, i) => ({ name, state, i, cell: cells[Math.min(i, 3)] }),
    ),
  );
  test.each(cases)('$name, column $i', ({ name, state, cell }) => {
    const after = step(state, ask(name), facts);
    if (cell === 'owed') {
      expect(after.state.owed).toMatchObject({ name });
      expect(after.effects).toMatchObject([{ do: 'device', name }]);
    } else {
      expect(errorOf(after)).toBe(cell);
      expect(after.state.device).toEqual(state.device);
    }
  });
});

test.each([MOVER_STATE.paused, MOVER_STATE.halted, MOVER_STATE.idle])(
  'with the mover in state %i the tape is the DMA’s',
  (state) => {
    expect(step(withMover(state), ask('tapeMtio'), STRICT).state.owed?.name).toBe('tapeMtio');
  },
);

describe('arguments', () => {
  const cdb = {
    flags: 0,
    timeoutMs: 1,
    dataInLength: 0,
    cdb: Buffer.alloc(6),
    dataOut: Buffer.alloc(0),
  };
  test.each([
    ['tapeOpen', { device: 'x', mode: 123 }],
    ['tapeOpen', { device: 'x', mode: -1 }],
    ['tapeMtio', { operation: 8, count: 1 }],
    ['tapeRead', { count: 0x8000_0000 }],
    ['tapeExecuteCdb', { ...cdb, flags: 3 }],
    ['scsiExecuteCdb', { ...cdb, cdb: Buffer.alloc(0) }],
    ['scsiExecuteCdb', { ...cdb, dataInLength: U32_MAX }],
  ] as [RequestName, unknown][])('%s %o is illegal in any state', (name, body) => {
    for (const state of [authed(), scsi, tape]) {
      expect(errorOf(step(state, ask(name, body), FULL_FACTS))).toBe(illegalArgs);
    }
  });

  test.each([
    ['tapeOpen', { device: 'x', mode: TAPE_OPEN_MODE.raw }],
    ['tapeMtio', { operation: TAPE_MTIO.testReady, count: 1 }],
  ] as [RequestName, unknown][])('%s %o came with v4', (name, body) => {
    expect(errorOf(step(authed(3), ask(name, body), FULL_FACTS))).toBe(illegalArgs);
    expect(errorOf(step(authed(4), ask(name, body), FULL_FACTS))).not.toBe(illegalArgs);
  });

  test('writing needs a drive that was opened for it', () => {
    const mark = ask('tapeMtio', { operation: TAPE_MTIO.writeFilemarks, count: 1 });
    expect(errorOf(step(readOnly, ask('tapeWrite'), FULL_FACTS))).toBe(permission);
    expect(errorOf(step(readOnly, mark, FULL_FACTS))).toBe(permission);
    expect(step(readOnly, ask('tapeRead'), FULL_FACTS).state.owed).toBeDefined();
  });

  test('transfers of nothing succeed, closed or not; the letter of the law wants a drive', () => {
    const nothing = [ask('tapeRead', { count: 0 }), ask('tapeWrite', { data: Buffer.alloc(0) })];
    for (const request of nothing) {
      expect(errorOf(step(tape, request, STRICT))).toBe(ok);
      expect(errorOf(step(authed(), request, FULL_FACTS))).toBe(ok);
      expect(errorOf(step(authed(), request, STRICT))).toBe(deviceNotOpen);
    }
  });

  test('the state of a closed drive is unknown in every field', () => {
    const { effects } = step(authed(), ask('tapeGetState'), FULL_FACTS);
    expect(effects[0]).toMatchObject({
      body: { error: deviceNotOpen, unsupported: 0x3f, fileNumber: U32_MAX },
    });
  });
});

describe('opening and closing', () => {
  const opened = { type: 'answered' as const, body: { error: ok } };
  const refused = { type: 'answered' as const, body: { error: NDMP_ERROR.noDevice } };

  test('a drive that opens is the one device of the connection', () => {
    const { state } = run(authed(), [ask('tapeOpen', { device: 'nst0', mode: 1 }), opened]);
    expect(state.device).toEqual(TAPE);
    const failed = run(authed(), [ask('tapeOpen'), refused]);
    expect([failed.state.device.kind, errorOf(failed)]).toEqual(['none', NDMP_ERROR.noDevice]);
  });

  test('a robot opens and closes', () => {
    const { state } = run(authed(), [ask('scsiOpen'), opened]);
    expect(state.device.kind).toBe('scsi');
    expect(run(state, [ask('scsiClose'), opened]).state.device.kind).toBe('none');
  });

  test('a close that failed keeps the drive; the next one does no I/O', () => {
    const failed = { type: 'answered' as const, body: { error: NDMP_ERROR.io } };
    const once = run(tape, [ask('tapeClose'), failed]);
    expect([errorOf(once), once.state.device.kind]).toEqual([NDMP_ERROR.io, 'tape']);
    expect(step(once.state, ask('tapeClose'), FULL_FACTS).effects).toMatchObject([
      { rules: { discard: true } },
    ]);
    const between = run(once.state, [ask('tapeGetState'), opened, ask('tapeClose')]);
    expect(between.effects.at(-1)).toMatchObject({ rules: { discard: false } });
  });

  test('what a device says beside its error reaches the reply', () => {
    const { effects } = run(tape, [
      ask('tapeMtio'),
      { type: 'answered', body: { error: ok, residualCount: 7 } },
    ]);
    expect(effects.at(-1)).toMatchObject({ body: { error: ok, residualCount: 7 } });
  });
});

test.each([
  [4, NDMP_ERROR.eom],
  [3, NDMP_ERROR.eof],
  [2, NDMP_ERROR.eof],
] as const)('v%i is told of the end of data in its own word', (version, expected) => {
  const blank = { type: 'answered' as const, body: { error: NDMP_ERROR.eom } };
  const open: ServerState = { ...authed(version), device: TAPE };
  expect(errorOf(run(open, [ask('tapeRead'), blank]))).toBe(expected);
  expect(errorOf(run(open, [ask('tapeWrite'), blank]))).toBe(NDMP_ERROR.eom);
});

describe('implicit filemarks', () => {
  const done = (fields: Record<string, unknown> = {}) => ({
    type: 'answered' as const,
    body: { error: ok, ...fields },
  });
  const written = run(tape, [ask('tapeWrite'), done({ count: 5 })]).state;
  const motion = (operation: number, count = 1) => ask('tapeMtio', { operation, count });
  const marks = (
    state: ServerState,
    request: ReturnType<typeof ask>,
    facts: ServerFacts,
  ): unknown => {
    const effect = step(state, request, facts).effects[0] as Extract<Effect, { do: 'device' }>;
    return effect.rules.markFirst;
  };

  test.each([
    ['rewind', TAPE_MTIO.rewind, true, true],
    ['eject', TAPE_MTIO.eject, true, true],
    ['back over files', TAPE_MTIO.backwardFiles, true, true],
    ['back over records', TAPE_MTIO.backwardRecords, false, true],
    ['on over records', TAPE_MTIO.forwardRecords, false, true],
    ['on over files', TAPE_MTIO.forwardFiles, false, true],
    ['a filemark', TAPE_MTIO.writeFilemarks, false, false],
    ['ready?', TAPE_MTIO.testReady, false, false],
  ])('%s', (_title, operation, lenient, strict) => {
    expect(marks(written, motion(operation), FULL_FACTS)).toBe(lenient);
    expect(marks(written, motion(operation), STRICT)).toBe(strict);
    expect(marks(tape, motion(operation), STRICT)).toBe(false);
  });

  test('closing marks, and so does the loss of the connection', () => {
    expect(marks(written, ask('tapeClose'), FULL_FACTS)).toBe(true);
    const [release] = step(written, { type: 'lost' }, FULL_FACTS).effects;
    expect(release).toMatchObject({ do: 'releaseDevice', rules: { markFirst: true } });
  });

  test('a mover that is cut off in the middle of a backup leaves a mark as well', () => {
    const backup = withMover(MOVER_STATE.active, { mode: 0 });
    const cut = step(backup, { type: 'lost' }, factsWith({ bytesMoved: 512n }));
    expect(cut.effects).toMatchObject([
      { do: 'moverAbort' },
      { do: 'releaseDevice', rules: { markFirst: true } },
    ]);
  });

  test.each([
    ['a mark that was written', motion(TAPE_MTIO.writeFilemarks), false],
    ['going back over records', motion(TAPE_MTIO.backwardRecords), false],
    ['going on at the end of data', motion(TAPE_MTIO.forwardRecords), true],
    ['a motion by nothing', motion(TAPE_MTIO.backwardRecords, 0), true],
  ])('after %s', (_title, request, remains) => {
    const { state } = run(written, [request, done()]);
    expect(state.device).toMatchObject({ isUnmarked: remains });
  });

  test('a write that failed leaves nothing to mark', () => {
    const failed = { type: 'answered' as const, body: { error: NDMP_ERROR.eom, count: 0 } };
    expect(run(tape, [ask('tapeWrite'), failed]).state.device).toMatchObject({ isUnmarked: false });
  });
});

test('services that are not there are unsupported', () => {
  const none = { ...FULL_FACTS, hasTape: false, hasScsi: false };
  for (const [name] of TABLE) {
    expect(errorOf(step(authed(), ask(name), none))).toBe(NDMP_ERROR.notSupported);
  }
  expect(errorOf(step(authed(), ask('configGetTapeInfo'), none))).toBe(NDMP_ERROR.notSupported);
  expect(deeds(step(authed(), ask('configGetTapeInfo'), FULL_FACTS))).toEqual(['answer']);
});
