import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addToRing,
  breakRing,
  checkRing,
  emptyRing,
  formatCursor,
  type Ring,
  resumeFrom,
} from './event-ring.ts';

const LIMITS = { eventsMax: 8 };

function ringOf(sequences: readonly number[]): Ring<string> {
  return sequences.reduce<Ring<string>>(
    (ring, sequence) => addToRing(ring, { sequence, event: `e${sequence}` }, LIMITS).ring,
    emptyRing(1),
  );
}

test('a reader goes on after its position', () => {
  const ring = ringOf([5, 6, 7]);
  expect(resumeFrom(ring, formatCursor(1, 5))?.map(({ event }) => event)).toEqual(['e6', 'e7']);
  expect(resumeFrom(ring, formatCursor(1, 7))).toEqual([]);
  expect(resumeFrom(ring, formatCursor(1, 4))?.length).toBe(3);
});

test('a position that is too old, of another epoch, or no position, is a gap', () => {
  const ring = ringOf([5, 6, 7]);
  for (const cursor of [formatCursor(1, 3), formatCursor(2, 6), '', '6', '1.x', '1.6.2']) {
    expect([cursor, resumeFrom(ring, cursor)]).toEqual([cursor, null]);
  }
});

test('a repeat changes nothing; a jump and a step back begin a new epoch', () => {
  const ring = ringOf([5, 6]);
  expect(addToRing(ring, { sequence: 6, event: 'again' }, LIMITS)).toEqual({
    ring,
    added: 'repeat',
  });
  for (const sequence of [8, 3]) {
    const jumped = addToRing(ring, { sequence, event: 'jump' }, LIMITS);
    expect(jumped.added).toBe('gap');
    expect(resumeFrom(jumped.ring, formatCursor(1, 6))).toBeNull();
    expect(resumeFrom(jumped.ring, formatCursor(2, sequence))).toEqual([]);
  }
});

test('bpjobd’s large numbers are positions too', () => {
  const sequence = 2 ** 52 + 1;
  const ring = addToRing(emptyRing<string>(Date.now()), { sequence, event: 'e' }, LIMITS).ring;
  expect(resumeFrom(ring, formatCursor(ring.epoch, sequence - 1))?.length).toBe(1);
});

test('a change that stays missing over two checks is lost; one on its way is not', () => {
  const ring = ringOf([5]);
  const first = checkRing(ring, { newestBefore: 5, told: 6, awaited: null });
  expect(first).toMatchObject({ lost: false, awaited: 6 });
  expect(checkRing(ring, { newestBefore: 5, told: 6, awaited: 6 })).toMatchObject({ lost: true });
  const heard = ringOf([5, 6]);
  expect(checkRing(heard, { newestBefore: 6, told: 6, awaited: 6 })).toMatchObject({ lost: false });
  expect(checkRing(ring, { newestBefore: 5, told: 2, awaited: null })).toMatchObject({
    lost: true,
  });
  const quiet = checkRing(breakRing(ring), { newestBefore: null, told: 9, awaited: null });
  expect(quiet.ring.newest).toBe(9);
  expect(resumeFrom(quiet.ring, formatCursor(2, 8))).toBeNull();
});

test('whatever is lost or started over, a reader sees every change or is told', () => {
  // One world: numbers sent in order, some lost on the way, the numbering started over now and then.
  const sent = fc.array(fc.record({ lost: fc.boolean(), restart: fc.nat({ max: 9 }) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(sent, fc.nat({ max: 59 }), (steps, leftAt) => {
      let ring = emptyRing<number>(1);
      let sequence = 1_000;
      let cursor: string | null = null;
      const heardSince: number[] = [];
      let lostSince = false;
      for (const [index, { lost, restart }] of steps.entries()) {
        // A bpjobd that starts numbers on far above: the leader's epoch is the upper half.
        sequence += restart === 0 ? 2 ** 32 : 1;
        if (restart === 0 && cursor !== null) lostSince = true;
        if (lost) lostSince = lostSince || cursor !== null;
        else {
          ring = addToRing(ring, { sequence, event: index }, LIMITS).ring;
          if (cursor !== null) heardSince.push(index);
        }
        if (index === leftAt && !lost) {
          cursor = formatCursor(ring.epoch, sequence);
          heardSince.length = 0;
          lostSince = false;
        }
      }
      if (cursor === null) return;
      const missed = resumeFrom(ring, cursor);
      // Answered with changes: then exactly those that came since, and none was lost before the last of them.
      if (missed !== null) expect(missed.map(({ event }) => event)).toEqual(heardSince);
      // Nothing lost and few enough: then it must be answered.
      if (!lostSince && heardSince.length < LIMITS.eventsMax / 2) expect(missed).not.toBeNull();
      expect(ring.events.length).toBeLessThanOrEqual(LIMITS.eventsMax);
    }),
  );
});
