import { expect, test } from 'vitest';
import type { Element } from '../api.ts';
import { type Direction, layOut, neighbour, type Place } from './picture.ts';

function elements(slots: number, drives: number, mail: number): Element[] {
  const many = (type: Element['type'], count: number, at: number): Element[] =>
    Array.from({ length: count }, (_, i) => ({
      ...{ address: at + i, type, number: i + 1, full: false, barcode: '', mediaId: '' },
      ...{ state: null, pool: '', missingMediaId: '' },
    }));
  return [...many('slot', slots, 1_000), ...many('drive', drives, 200), ...many('mail', mail, 10)];
}

function overlaps(a: Place, b: Place): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

test.each([
  [8, 2, 1, 1_060],
  [8, 2, 1, 320],
  [40, 5, 3, 1_060],
  [200, 6, 10, 760],
  [1_000, 12, 24, 1_060],
  [1_000, 12, 24, 320],
  [0, 3, 0, 400],
  [3, 0, 2, 400],
  [5, 1, 0, 40],
])(
  '%i slots, %i drives and %i mail slots stand apart in %i pixels',
  (slots, drives, mail, width) => {
    const picture = layOut(elements(slots, drives, mail), width);
    expect(picture.places).toHaveLength(slots + drives + mail);
    for (const { x, y, width: wide, height } of picture.places) {
      expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
      expect(x + wide).toBeLessThanOrEqual(picture.width);
      expect(y + height).toBeLessThanOrEqual(picture.height);
    }
    const near = picture.places.flatMap((a, i) =>
      picture.places.slice(i + 1).filter((b) => overlaps(a, b)),
    );
    expect(near).toEqual([]);
    expect(picture.railY === null).toBe(slots === 0);
  },
);

test('the arrows go where the eye goes, and stop at the edges', () => {
  const { places } = layOut(elements(24, 2, 1), 1_060);
  const go = (from: number, ...way: Direction[]) =>
    way.reduce((at, direction) => neighbour(places, at, direction), from);
  expect(go(200, 'right')).toBe(201);
  expect(go(200, 'left')).toBe(200);
  expect(go(200, 'up')).toBe(200);
  expect(go(1_000, 'down', 'up')).toBe(1_000);
  expect(go(1_000, 'up')).toBe(200);
  expect(go(1_023, 'down', 'right')).toBe(1_023);
  expect(go(1_005, 'first')).toBe(200);
  expect(go(200, 'last')).toBe(1_023);
  expect(go(77, 'right')).toBe(200);
});
