import type { LibraryElement } from '@tapestry/storage';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plan, planHome, planPutDown } from './plan.ts';

type Kind = 'slot' | 'drive' | 'robot' | 'importExport';
const FIRST = { robot: 0, drive: 100, importExport: 500, slot: 1000 };
const element = (
  type: Kind,
  index: number,
  barcode: string | null,
  sourceAddress: number | null = null,
): LibraryElement => ({
  ...{ type, index, barcode, sourceAddress, full: barcode !== null },
  ...{ address: FIRST[type] + index, accessible: true, driveSerial: null },
});

const wanted = { barcode: 'A', driveIndex: 0, heldDrives: [] };

test('a volume in the drive stays', () => {
  expect(plan([element('drive', 0, 'A')], wanted)).toEqual({ moves: [] });
});

test('an idle volume goes home first', () => {
  const elements = [
    element('slot', 0, 'A'),
    element('slot', 1, null),
    element('slot', 2, null),
    element('drive', 0, 'B', 1002),
  ];
  expect(plan(elements, wanted)).toMatchObject({
    moves: [
      { from: 100, to: 1002 },
      { from: 1000, to: 100 },
    ],
  });
});

test('an idle volume is taken out of another drive, a held one is not', () => {
  const elements = [element('drive', 0, null), element('drive', 1, 'A')];
  expect(plan(elements, wanted)).toMatchObject({ moves: [{ from: 101, to: 100 }] });
  const held = plan(elements, { ...wanted, heldDrives: [1] });
  expect(held).toMatchObject({ failure: { status: 'mediaInUse' } });
});

test.each<[string, LibraryElement[], string]>([
  ['missing', [element('drive', 0, null), element('slot', 0, 'B')], 'mediaMisplaced'],
  ['without a way out', [element('drive', 0, 'B'), element('slot', 0, 'A')], 'notMountable'],
  ['without a drive', [element('slot', 0, 'A')], 'mediaOpenError'],
])('a volume %s', (_what, elements, status) => {
  expect(plan(elements, wanted)).toMatchObject({ failure: { status } });
});

test('the moves of any plan work, and lose no volume', () => {
  const barcodes = fc.option(fc.constantFrom('A', 'B', 'C', 'D', 'E'), { nil: null });
  const places = fc.record({
    slots: fc.array(barcodes, { maxLength: 6 }),
    drives: fc.array(barcodes, { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(places, fc.nat(2), ({ slots, drives }, driveIndex) => {
      const seen = new Set<string>();
      const once = (barcode: string | null): string | null => {
        if (barcode === null || seen.has(barcode)) return null;
        seen.add(barcode);
        return barcode;
      };
      const elements = [
        ...slots.map((barcode, index) => element('slot', index, once(barcode))),
        ...drives.map((barcode, index) => element('drive', index, once(barcode))),
      ];
      const result = plan(elements, { barcode: 'A', driveIndex, heldDrives: [] });
      if ('failure' in result) return;
      const content = new Map(elements.map(({ address, barcode }) => [address, barcode]));
      for (const { from, to } of result.moves) {
        expect(content.get(from)).not.toBeNull();
        expect(content.get(to)).toBeNull();
        content.set(to, content.get(from)!);
        content.set(from, null);
      }
      expect(content.get(100 + driveIndex)).toBe('A');
      expect([...content.values()].filter((barcode) => barcode !== null)).toHaveLength(seen.size);
    }),
  );
});

test('what is in a drive goes home, or into any free slot, or stays', () => {
  const slots = [element('slot', 0, null), element('slot', 1, null)];
  expect(planHome([element('drive', 0, null)], 0)).toEqual({ moves: [] });
  const home = planHome([element('drive', 0, 'A', 1001), ...slots], 0);
  expect(home).toMatchObject({ moves: [{ from: 100, to: 1001 }] });
  const any = planHome([element('drive', 0, 'A', 1007), ...slots], 0);
  expect(any).toMatchObject({ moves: [{ to: 1000 }] });
  const full = planHome([element('drive', 0, 'A'), element('slot', 0, 'B')], 0);
  expect(full).toMatchObject({ failure: { status: 'notMountable' } });
  const open = { ...element('drive', 0, 'A'), accessible: false };
  expect(planHome([open, ...slots], 0)).toMatchObject({ failure: { status: 'mediaInUse' } });
});

test('the hand of the robot is emptied into a slot, else out of the library', () => {
  const hand = element('robot', 0, 'A', 100);
  expect(planPutDown([element('robot', 0, null)])).toEqual({ moves: [] });
  const mail = element('importExport', 0, null);
  expect(planPutDown([hand, mail, element('slot', 0, null)])).toMatchObject({
    moves: [{ from: 0, to: 1000 }],
  });
  expect(planPutDown([hand, mail])).toMatchObject({ moves: [{ from: 0, to: 500 }] });
  expect(planPutDown([hand])).toMatchObject({ failure: { status: 'notMountable' } });
});
