import type { Element } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { mediaIdOf, planInventory } from './robot-inventory.ts';

const slot = (number: number, barcode: string): Element => ({
  ...{ type: 'slot', number, full: barcode !== '', barcode },
});

test('a media id is the first six characters of the barcode', () => {
  expect(mediaIdOf('A00001L8')).toBe('A00001');
  expect(mediaIdOf(' cln001 ')).toBe('CLN001');
  expect(mediaIdOf('')).toBeUndefined();
  expect(mediaIdOf('A-1')).toBeUndefined();
});

test('what is new is added, what moved is moved, what left is removed, the rest is let be', () => {
  const elements = [slot(1, 'A00001L8'), slot(2, ''), slot(3, 'A00002L8'), slot(4, 'A00003L8')];
  const known = [
    { mediaId: 'A00001', barcode: 'A00001L8', robotNumber: 0, slot: 1 },
    { mediaId: 'A00002', barcode: 'A00002L8', robotNumber: 0, slot: 2 },
    { mediaId: 'A00009', barcode: 'A00009L8', robotNumber: 0, slot: 9 },
    { mediaId: 'B00001', barcode: 'B00001L8', robotNumber: 1, slot: 9 },
  ];
  expect(planInventory(0, elements, known).changes).toEqual([
    { mediaId: 'A00002', barcode: 'A00002L8', change: 'move', slot: 3, oldSlot: 2 },
    { mediaId: 'A00003', barcode: 'A00003L8', change: 'add', slot: 4, oldSlot: 0 },
    { mediaId: 'A00009', barcode: 'A00009L8', change: 'remove', slot: 0, oldSlot: 9 },
  ]);
});

test('a volume in a drive keeps its slot, and is not taken for gone', () => {
  const inDrive: Element = { type: 'drive', number: 1, full: true, barcode: 'A00001L8' };
  const known = [{ mediaId: 'A00001', barcode: 'A00001L8', robotNumber: 0, slot: 7 }];
  expect(planInventory(0, [inDrive], known).changes).toEqual([]);
});

test('barcodes that are no media, and second ones, are told and not used', () => {
  const plan = planInventory(0, [slot(1, '??'), slot(2, 'A00001L8'), slot(3, 'A00001L9')], []);
  expect(plan.changes.map((each) => each.mediaId)).toEqual(['A00001']);
  expect(plan.unusable).toHaveLength(2);
});
