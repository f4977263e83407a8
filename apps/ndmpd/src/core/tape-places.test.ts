import { expect, test } from 'vitest';
import { TapePlaces } from './tape-places.ts';

test('a place is that of one tape in one drive, for all who share it', () => {
  const places = new TapePlaces();
  const others = new TapePlaces(places.shared);
  places.set(3, 'A00001L8', { file: 7, block: 0xffff_fffe });
  expect(others.get(3, 'A00001L8')).toEqual({ file: 7, block: 0xffff_fffe });
  expect(others.get(2, 'A00001L8')).toBeUndefined();
  expect(others.get(3, 'A00001L80')).toBeUndefined();
  expect(others.get(3, 'A00001L')).toBeUndefined();
  others.forget(3);
  expect(places.get(3, 'A00001L8')).toBeUndefined();
  places.set(3, 'B00001L8', { file: 0, block: 0 });
  expect(places.get(3, 'B00001L8')).toEqual({ file: 0, block: 0 });
});

test('what cannot be written down is not known', () => {
  const places = new TapePlaces();
  for (const [drive, barcode] of [
    [0, ''],
    [0, 'x'.repeat(33)],
    [256, 'A00001L8'],
  ] as const) {
    places.set(drive, barcode, { file: 1, block: 1 });
    expect(places.get(drive, barcode)).toBeUndefined();
    places.forget(drive);
  }
  places.forget(-1);
});
