// The mover's record against the blocks of the drive that is open.

import { describe, expect, test } from 'vitest';
import { ADDR_TYPE, MOVER_MODE, MOVER_STATE, NDMP_ERROR } from './constants.ts';
import {
  ask,
  authed,
  errorOf,
  FULL_FACTS,
  run,
  STRICT,
  TAPE,
  TCP,
  withMover,
} from './server-kit.test-data.ts';
import { step } from './server-machine.ts';
import type { ServerState } from './server-state.ts';

const { idle } = MOVER_STATE;
const ok = NDMP_ERROR.noError;

describe('a drive with fixed blocks', () => {
  const fixed = (
    blockSizeBytes: number,
    changes: object = {},
    from: number = idle,
  ): ServerState => ({
    ...withMover(from, changes),
    device: { ...TAPE, blockSizeBytes } as never,
  });
  const { illegalArgs, precondition } = NDMP_ERROR;
  const resize = (recordSize: number) => ask('moverSetRecordSize', { recordSize });
  const toListen = ask('moverListen', { mode: MOVER_MODE.read, addressType: ADDR_TYPE.tcp });
  const toConnect = ask('moverConnect', { mode: MOVER_MODE.read, address: TCP });

  test.each([FULL_FACTS, STRICT])('takes records of whole blocks (%#)', (facts) => {
    const sizes = [512, 1024, 1_048_576, 511, 513, 1025];
    const errors = sizes.map((size) => errorOf(step(fixed(512), resize(size), facts)));
    expect(errors).toEqual([ok, ok, ok, illegalArgs, illegalArgs, illegalArgs]);
    expect(errorOf(step(fixed(0), resize(513), facts))).toBe(ok);
  });

  test.each([FULL_FACTS, STRICT])(
    'opened behind the record size, is no drive for it (%#)',
    (facts) => {
      for (const request of [toListen, toConnect]) {
        expect(errorOf(step(fixed(1024), request, facts))).toBe(precondition);
        expect(errorOf(step(fixed(256), request, facts))).toBeUndefined();
      }
      const paused = fixed(1024, {}, MOVER_STATE.paused);
      expect(errorOf(step(paused, ask('moverContinue'), facts))).toBe(precondition);
    },
  );

  test('without a record size, takes the usual one where that fits', () => {
    const bare = { recordSize: 0, window: undefined };
    expect(errorOf(step(fixed(512, bare), toListen, FULL_FACTS))).toBeUndefined();
    expect(errorOf(step(fixed(65_536, bare), toListen, FULL_FACTS))).toBe(precondition);
  });

  test('says so when it is opened, and again with its state', () => {
    const opened = (blockSize: unknown) =>
      run({ ...authed(), device: { kind: 'none' } }, [
        ask('tapeOpen', { device: 'nst0', mode: 1 }),
        { type: 'answered', body: { error: 0, blockSize } },
      ]);
    expect(opened(2048).state.device).toMatchObject({ blockSizeBytes: 2048 });
    for (const none of [0, 0xffff_ffff, undefined]) {
      expect(opened(none).state.device).toMatchObject({ blockSizeBytes: 0 });
    }
    const { state } = run(opened(2048).state, [
      ask('tapeGetState'),
      { type: 'answered', body: { error: 0, blockSize: 4096 } },
    ]);
    expect(state.device).toMatchObject({ blockSizeBytes: 4096 });
  });
});
