import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type KnownVolume, planInventory, type SeenElement } from './robot-inventory.ts';

const RULES = { idRules: [], barcodeRules: [], defaults: { mediaType: 'HCART', pool: 'Data' } };
const NOTHING_NEW = { pool: '', mediaType: '', maxMounts: 0, cleanings: 0, rule: '' };

const slot = (number: number, barcode: string): SeenElement => ({
  ...{ type: 'slot', number, full: barcode !== '', barcode },
});

test('what is new is added, what moved is moved, what left is removed, the rest is let be', () => {
  const elements = [slot(1, 'A00001L8'), slot(2, ''), slot(3, 'A00002L8'), slot(4, 'A00003L8')];
  const known = [
    { mediaId: 'A00001', barcode: 'A00001L8', robotNumber: 0, slot: 1 },
    { mediaId: 'A00002', barcode: 'A00002L8', robotNumber: 0, slot: 2 },
    { mediaId: 'A00009', barcode: 'A00009L8', robotNumber: 0, slot: 9 },
    { mediaId: 'B00001', barcode: 'B00001L8', robotNumber: 1, slot: 9 },
  ];
  expect(planInventory(0, elements, known, RULES).changes).toEqual([
    {
      ...{ ...NOTHING_NEW, mediaId: 'A00002', barcode: 'A00002L8', change: 'move' },
      ...{ slot: 3, oldSlot: 2 },
    },
    {
      ...{ ...NOTHING_NEW, mediaId: 'A00003', barcode: 'A00003L8', change: 'add', slot: 4 },
      ...{ oldSlot: 0, pool: 'Data', mediaType: 'HCART' },
    },
    {
      ...{ ...NOTHING_NEW, mediaId: 'A00009', barcode: 'A00009L8', change: 'remove' },
      ...{ slot: 0, oldSlot: 9 },
    },
  ]);
});

test('a volume in a drive keeps its slot, and is not taken for gone', () => {
  const inDrive: SeenElement = { type: 'drive', number: 1, full: true, barcode: 'A00001L8' };
  const known = [{ mediaId: 'A00001', barcode: 'A00001L8', robotNumber: 0, slot: 7 }];
  expect(planInventory(0, [inDrive], known, RULES).changes).toEqual([]);
});

test('barcodes that are no media, and second ones, are told and not used', () => {
  const elements = [slot(1, '??'), slot(2, 'A00001L8'), slot(3, 'A00001L9')];
  const plan = planInventory(0, elements, [], RULES);
  expect(plan.changes.map((each) => each.mediaId)).toEqual(['A00001']);
  expect(plan.unusable).toHaveLength(2);
});

test('a volume on record keeps its id under a new rule, and another cartridge never takes its place', () => {
  const known = [{ mediaId: 'A00001', barcode: 'A00001L8', robotNumber: 0, slot: 1 }];
  const idRules = [{ robotNumber: 0, barcodeLength: 8, rule: '3:4:5:6:7:8' }];
  const elements = [slot(2, 'A00001L8'), slot(3, 'B00002L8')];
  const plan = planInventory(0, elements, known, { ...RULES, idRules });
  expect(plan.changes.map(({ mediaId, change }) => [mediaId, change])).toEqual([
    ['A00001', 'move'],
    ['0002L8', 'add'],
  ]);
  const other = planInventory(0, [slot(1, 'A00001L9')], known, RULES);
  expect(other.changes.map(({ change }) => change)).toEqual(['remove']);
  expect(other.unusable[0]).toMatch(/on record with barcode A00001L8/);
});

test('a reader that leaves the generation out reads the same cartridge', () => {
  const known = [{ mediaId: 'A00001', barcode: 'A00001L8', robotNumber: 0, slot: 1 }];
  const plan = planInventory(0, [slot(1, 'A00001')], known, RULES);
  expect(plan.changes).toMatchObject([{ mediaId: 'A00001', change: 'barcode', barcode: 'A00001' }]);
  expect(plan.unusable).toEqual([]);
});

test('barcode rules sort what is new', () => {
  const rule = { tag: 'CLN', mediaType: 'HCART_CLN', pool: 'None', maxMounts: 15, description: '' };
  const { changes } = planInventory(0, [slot(1, 'CLN001L1'), slot(2, 'A00001L8')], [], {
    ...{ ...RULES, barcodeRules: [rule] },
  });
  expect(changes).toMatchObject([
    { mediaId: 'CLN001', mediaType: 'HCART_CLN', pool: 'None', cleanings: 15, rule: 'CLN' },
    { mediaId: 'A00001', mediaType: 'HCART', pool: 'Data', cleanings: 0, rule: '' },
  ]);
});

/** The records after a plan was carried out. */
function carriedOut(
  known: readonly KnownVolume[],
  elements: readonly SeenElement[],
): KnownVolume[] {
  const { changes } = planInventory(0, elements, known, RULES);
  const byId = new Map(known.map((volume) => [volume.mediaId, volume]));
  for (const { mediaId, barcode, slot, change } of changes) {
    const robotNumber = 0;
    const old = byId.get(mediaId);
    if (change === 'remove') byId.set(mediaId, { ...old!, slot: 0 });
    else byId.set(mediaId, { mediaId, barcode, robotNumber, slot });
  }
  return [...byId.values()];
}

const barcodes = fc.constantFrom('', '??', ...['A1', 'A2', 'A3', 'A4', 'A00001L8', 'A00001']);
const someElements = fc
  .array(fc.record({ type: fc.constantFrom('slot', 'drive'), barcode: barcodes }), { maxLength: 9 })
  .map((list) =>
    list.map(({ type, barcode }, i) => ({ type, number: i + 1, full: barcode !== '', barcode })),
  );

test('an inventory carried out leaves nothing to do, and no two volumes in one slot', () => {
  fc.assert(
    fc.property(someElements, someElements, (before, now) => {
      const known = carriedOut(carriedOut([], before), now);
      expect(planInventory(0, now, known, RULES).changes).toEqual([]);
      const inRobot = known.filter(({ slot }) => slot > 0);
      const ids = inRobot.map(({ mediaId }) => mediaId);
      expect(new Set(ids).size).toBe(ids.length);
      const slots = inRobot.map(({ slot }) => slot);
      expect(new Set(slots).size).toBe(slots.length);
    }),
  );
});
