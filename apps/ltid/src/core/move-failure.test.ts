import type { LibraryElement } from '@tapestry/storage';
import { expect, test } from 'vitest';
import { corrected, judgeFailedMove, marksAfter, wasMade } from './move-failure.ts';

const at = (address: number, barcode: string | null): LibraryElement => ({
  ...{ address, type: 'slot', index: address, barcode, full: barcode !== null },
  ...{ sourceAddress: null, accessible: true, driveSerial: null },
});
const move = { from: 1, to: 2, why: '' };

test('a jam is tried again, a wrong inventory planned anew, a fence ends it', () => {
  expect(judgeFailedMove('robotDown')).toBe('again');
  expect(judgeFailedMove('slotEmpty')).toBe('replan');
  expect(judgeFailedMove('staleGrant')).toBe('giveUp');
});

test('the elements tell whether a move without an answer was made', () => {
  const before = [at(1, 'A'), at(2, null)];
  expect(wasMade(before, [at(1, null), at(2, 'A')], move)).toBe(true);
  expect(wasMade(before, [at(1, 'A'), at(2, null)], move)).toBe(false);
  // In the hand of the robot, or another was put there meanwhile.
  expect(wasMade(before, [at(1, null), at(2, null)], move)).toBe(false);
  expect(wasMade(before, [at(1, null), at(2, 'B')], move)).toBe(false);
});

test('what a move said beats the inventory, until a move says otherwise', () => {
  const elements = [at(1, 'A'), at(2, null)];
  const full = marksAfter(new Map(), move, 'notMountable');
  expect(corrected(elements, full)[1]).toMatchObject({ full: true, barcode: null });
  const empty = marksAfter(full, move, 'slotEmpty');
  expect(corrected(elements, empty)[0]).toMatchObject({ full: false });
  expect(marksAfter(empty, move, null).size).toBe(0);
});
