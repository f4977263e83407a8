// What the two dialects owe each other: whatever the letter of the law lets through, the lenient one
// lets through as well; and a refused request leaves everything as it was, in both.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DATA_STATE, MOVER_MODE, MOVER_STATE } from './constants.ts';
import { entropyReader, ListEntropy } from './entropy-reader.test-data.ts';
import { messagesOf, type RequestName, type RequestRow } from './messages.ts';
import { SAMPLE_REQUESTS } from './samples.test-data.ts';
import {
  ask,
  errorOf,
  FULL_FACTS,
  LOCAL,
  STRICT,
  TAPE,
  TCP,
  withMover,
} from './server-kit.test-data.ts';
import { step } from './server-machine.ts';
import { type DeviceSlot, IDLE_DATA, type ServerState } from './server-state.ts';

const devices: readonly DeviceSlot[] = [
  { kind: 'none' },
  { kind: 'scsi' },
  TAPE,
  { ...TAPE, mode: 0 } as DeviceSlot,
  { ...TAPE, isUnmarked: true } as DeviceSlot,
];
const windows = [undefined, { offset: 0n, length: 1024n }, { offset: 100n, length: 700n }];

const states: fc.Arbitrary<ServerState> = fc
  .record({
    version: fc.constantFrom(2, 3, 4),
    phase: fc.constantFrom('offered', 'open', 'authed', 'authed', 'authed'),
    mover: fc.constantFrom(...Object.values(MOVER_STATE)),
    data: fc.constantFrom(...Object.values(DATA_STATE)),
    mode: fc.constantFrom(MOVER_MODE.read, MOVER_MODE.write),
    recordSize: fc.constantFrom(0, 512),
    window: fc.constantFrom(...windows),
    windowIsNew: fc.boolean(),
    device: fc.constantFrom(...devices),
    address: fc.constantFrom(LOCAL, TCP),
  })
  .map(({ version, phase, mover, data, mode, recordSize, window, windowIsNew, ...rest }) => {
    const { device, address } = rest;
    const isIdle = mover === MOVER_STATE.idle;
    // A mover that has run has a record size.
    const isFresh = isIdle || mover === MOVER_STATE.listen;
    const moving = isIdle ? {} : { mode, address };
    const base = withMover(
      mover,
      { recordSize: isFresh ? recordSize : 512, window, windowIsNew, ...moving },
      version as 4,
    );
    const service = data === DATA_STATE.idle ? IDLE_DATA : { ...IDLE_DATA, state: data, address };
    return { ...base, device, data: service, phase: phase as 'authed' };
  });

interface Asked {
  readonly name: RequestName;
  readonly words: readonly number[];
  readonly isSample: boolean;
}

const requests: fc.Arbitrary<Asked> = fc.record({
  name: fc.constantFrom(...(Object.keys(SAMPLE_REQUESTS) as RequestName[])),
  words: fc.array(fc.nat(2 ** 31 - 1), { maxLength: 30 }),
  isSample: fc.boolean(),
});

function bodyOf({ name, words, isSample }: Asked): unknown {
  if (isSample) return SAMPLE_REQUESTS[name];
  const row = messagesOf(4).requests[name] as RequestRow;
  return row.request.decode(entropyReader(new ListEntropy(words)));
}

/** Accepted: answered with success, or to be answered when it is done. */
const isAccepted = (after: ReturnType<typeof step>): boolean => {
  const error = errorOf(after);
  return error === 0 || error === undefined;
};

test('the lenient dialect accepts whatever the strict one does', () => {
  fc.assert(
    fc.property(states, requests, (state, asked) => {
      const request = ask(asked.name, bodyOf(asked));
      if (!isAccepted(step(state, request, STRICT))) return;
      expect([asked.name, isAccepted(step(state, request, FULL_FACTS))]).toEqual([
        asked.name,
        true,
      ]);
    }),
    { numRuns: 20_000 },
  );
});

test('a refused request changes neither service, device nor extensions', () => {
  fc.assert(
    fc.property(states, requests, fc.boolean(), (state, asked, isStrict) => {
      const request = ask(asked.name, bodyOf(asked));
      const after = step(state, request, isStrict ? STRICT : FULL_FACTS);
      if (isAccepted(after)) return;
      const { data, mover, device, extensions } = after.state;
      expect(after.state.owed).toBeUndefined();
      expect([data, mover, device, extensions]).toEqual([
        ...[state.data, state.mover, state.device, state.extensions],
      ]);
      expect(after.effects.filter((effect) => effect.do === 'reply')).toHaveLength(1);
    }),
    { numRuns: 20_000 },
  );
});
