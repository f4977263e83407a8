import { expect, test } from 'vitest';
import { checkWaterMarks, diskSpace } from './water-marks.ts';

const marks = checkWaterMarks({ highWaterPercent: 90, lowWaterPercent: 60 });

test('a unit is full from its high-water mark on, and is emptied to its low-water mark', () => {
  const at = (freeBytes: number) => diskSpace({ totalBytes: 1000, freeBytes }, marks);
  expect(at(101)).toMatchObject({ usedBytes: 899, full: false, bytesAboveLowWater: 299 });
  expect(at(100)).toMatchObject({ usedBytes: 900, full: true, bytesAboveLowWater: 300 });
  expect(at(0)).toMatchObject({ freeBytes: 0, full: true, bytesAboveLowWater: 400 });
  expect(at(700)).toMatchObject({ full: false, bytesAboveLowWater: 0 });
});

test('a host that has less than nothing free has nothing', () => {
  expect(diskSpace({ totalBytes: 10, freeBytes: -5 }, marks)).toMatchObject({ freeBytes: 0 });
});

test('marks are percents, the low one not above the high one', () => {
  expect(checkWaterMarks({})).toEqual({ highWaterPercent: 98, lowWaterPercent: 80 });
  for (const [highWaterPercent, lowWaterPercent] of [
    [101, 80],
    [80, 90],
    [90, -1],
    [Number.NaN, 10],
  ] as const) {
    expect(() => checkWaterMarks({ highWaterPercent, lowWaterPercent })).toThrow(/water marks/);
  }
});
