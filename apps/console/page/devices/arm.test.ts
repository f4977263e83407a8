import { expect, test } from 'vitest';
import type { Element } from '../api.ts';
import { type Arm, advance, afterMove, duringMove, follow, hear, IDLE_ARM } from './arm.ts';

const place = (address: number, mediaId = ''): Element => ({
  ...{ address, type: 'slot', number: address, full: mediaId !== '', barcode: mediaId, mediaId },
  ...{ state: mediaId === '' ? null : 'active', pool: '', missingMediaId: '' },
});
const LIBRARY = [place(1, 'A1'), place(2, 'A2'), place(3), place(4)];
const move = (from: number, to: number, phase = 'began') => ({ from, to, phase });

/** Hears, then lets time pass until the arm stands still or waits. */
function play(arm: Arm, library: Element[], fromMs: number): [Arm, Element[], number] {
  let [now, elements, nowMs] = [arm, library, fromMs];
  for (let legs = 0; now.leg !== null && legs < 100; legs += 1) {
    nowMs = Math.max(nowMs, now.leg.untilMs);
    const { arm: next, done } = advance(now, elements, nowMs);
    if (done?.outcome === 'made') elements = afterMove(elements, done);
    if (next === now) break;
    now = next;
  }
  return [now, elements, nowMs];
}

test('it fetches, carries, waits for the end, and puts down', () => {
  const begun = hear(IDLE_ARM, move(1, 3), LIBRARY, 0).arm;
  expect(begun.leg).toMatchObject({ stage: 'fetch', cartridge: { mediaId: 'A1' } });
  expect(duringMove(LIBRARY, begun.leg)).toBe(LIBRARY);
  const [waits, same, nowMs] = play(begun, LIBRARY, 0);
  expect(waits.leg).toMatchObject({ stage: 'carry', outcome: null });
  expect(same).toBe(LIBRARY);
  expect(duringMove(LIBRARY, waits.leg).filter(({ full }) => full)).toHaveLength(1);
  const ended = hear(waits, move(1, 3, 'made'), LIBRARY, nowMs).arm;
  const [rests, after] = play(ended, LIBRARY, nowMs);
  expect(rests).toEqual({ leg: null, queue: [], restsAt: 3 });
  expect(after.map(({ mediaId }) => mediaId)).toEqual(['', 'A2', 'A1', '']);
});

test('two moves that were made in no time are both shown, one after the other', () => {
  let arm = IDLE_ARM;
  for (const event of [move(1, 3), move(1, 3, 'made'), move(2, 1), move(2, 1, 'made')]) {
    arm = hear(arm, event, LIBRARY, 0).arm;
  }
  const [rests, after, nowMs] = play(arm, LIBRARY, 0);
  expect(rests).toEqual({ leg: null, queue: [], restsAt: 1 });
  expect(after.map(({ mediaId }) => mediaId)).toEqual(['A2', '', 'A1', '']);
  expect(nowMs).toBeGreaterThan(2_000);
});

test('a failed move leaves the volume where it was', () => {
  const begun = hear(IDLE_ARM, move(1, 3), LIBRARY, 0).arm;
  const failed = hear(begun, move(1, 3, 'failed'), LIBRARY, 5).arm;
  const [rests, after] = play(failed, LIBRARY, 5);
  expect(rests.restsAt).toBe(1);
  expect(after).toBe(LIBRARY);
});

test('an end whose beginning was missed is shown whole', () => {
  const [rests, after] = play(hear(IDLE_ARM, move(2, 4, 'made'), LIBRARY, 0).arm, LIBRARY, 0);
  expect(rests.restsAt).toBe(4);
  expect(after[3]).toMatchObject({ full: true, mediaId: 'A2' });
});

test('what was fetched meanwhile does not make the volume unknown', () => {
  const arrived = afterMove(LIBRARY, { from: 1, to: 3 });
  const { leg } = hear(IDLE_ARM, move(1, 3), arrived, 0).arm;
  expect(leg?.cartridge).toMatchObject({ mediaId: 'A1' });
});

test('a robot that is far ahead is caught up with', () => {
  let arm = IDLE_ARM;
  let behind = false;
  for (let i = 0; i < 8 && !behind; i += 1) {
    ({ arm, behind } = hear(arm, move(1 + (i % 2), 3), LIBRARY, 0));
  }
  expect(behind).toBe(true);
  expect(arm).toMatchObject({ leg: null, queue: [] });
});

test('what the library says of its arm counts when nothing was heard', () => {
  const seen = follow(IDLE_ARM, { from: 1, to: 3 }, LIBRARY, 0);
  expect(seen.leg).toMatchObject({ stage: 'carry', cartridge: { mediaId: 'A1' } });
  expect(follow(seen, { from: 1, to: 3 }, LIBRARY, 60_000)).toBe(seen);
  expect(follow(seen, null, LIBRARY, 100)).toBe(seen);
  expect(follow(seen, null, LIBRARY, 60_000).leg).toBeNull();
});
