// Elements of a robot as they travel on the bus.

import type { Element } from '@tapestry/contracts';
import type { ElementType, LibraryElement } from '@tapestry/storage';

const NAMES: Readonly<Record<ElementType, string>> = {
  slot: 'slot',
  drive: 'drive',
  importExport: 'import_export',
  robot: 'robot',
};
const TYPES = new Map(Object.entries(NAMES).map(([type, name]) => [name, type as ElementType]));

export function elementRow(element: LibraryElement): Element {
  const { type, index, full, barcode, address, sourceAddress, accessible, driveSerial } = element;
  return {
    ...{ type: NAMES[type], number: index + 1, full, barcode: barcode ?? '', address },
    ...{ sourceAddress: sourceAddress ?? 0, inaccessible: !accessible },
    ...{ driveSerial: driveSerial ?? '', medium: element.medium ?? '' },
  };
}

export function elementOfRow(row: Element): LibraryElement {
  const { type, number, full, barcode, address, sourceAddress, inaccessible, driveSerial } = row;
  return {
    ...{ address, type: TYPES.get(type) ?? 'slot', index: number - 1, full },
    barcode: barcode === '' ? null : barcode,
    sourceAddress: sourceAddress === 0 ? null : sourceAddress,
    accessible: !inaccessible,
    driveSerial: driveSerial === '' ? null : driveSerial,
    medium: row.medium === '' ? null : (row.medium as 'data' | 'worm' | 'cleaning'),
  };
}
