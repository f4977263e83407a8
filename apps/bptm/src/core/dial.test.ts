import { expect, test } from 'vitest';
import { type Dial, dialOutcome, nextDial, settledDial } from './dial.ts';

const failed = { status: 'cannotConnectToClient', detail: 'refuses' } as const;

test('one order at a time, each once, and not for ever', () => {
  const first = nextDial(null, 1);
  expect(first).toEqual({ sequence: 1, count: 1, outcome: 'pending' });
  expect(nextDial(first, 2)).toBeNull();
  let last: Dial | null = settledDial(first, 1, failed);
  expect(nextDial(last, 1)).toBeNull();
  for (const sequence of [5, 6]) last = settledDial(nextDial(last, sequence), sequence, failed);
  expect(last).toMatchObject({ sequence: 6, count: 3 });
  expect(nextDial(last, 7)).toBeNull();
  expect(dialOutcome({ dial: last, failure: null }, 7)).toMatchObject({
    ...{ status: 'invalidRequest', detail: expect.stringMatching(/3 times/) },
  });
});

test('a repeat is answered with what became of the first', () => {
  const pending = nextDial(null, 4);
  const cancelled = { status: 'cancelled', detail: 'by the operator' } as const;
  const of = (dial: Dial | null, failure: typeof cancelled | null = null) =>
    dialOutcome({ dial, failure }, 4);
  expect(of(pending)).toBe('pending');
  expect(of(settledDial(pending, 4, 'connected'))).toBe('connected');
  expect(of(settledDial(pending, 4, failed))).toBe(failed);
  expect(of(settledDial(pending, 3, failed))).toBe('pending');
  expect(of(pending, cancelled)).toBe(cancelled);
  expect(of(settledDial(pending, 4, 'connected'), cancelled)).toBe('connected');
  expect(of(null)).toMatchObject({ status: 'invalidRequest' });
});
