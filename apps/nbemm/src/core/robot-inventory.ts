// What an inventory changes: a robot's elements beside the volumes on record. Promises that a volume keeps its
// identity when it only moved, also when the rule that named it has changed since, and that nothing is deleted: what
// left a robot stays on record outside of it.

import type { BarcodeRule, Element, InventoryChange } from '@tapestry/contracts';
import { type MediaDefaults, settingsFor } from './barcode-rules.ts';
import { type IdRule, mediaIdOf } from './media-id.ts';

/** What an inventory needs to know of an element. */
export type SeenElement = Pick<Element, 'type' | 'number' | 'full' | 'barcode'>;

export interface KnownVolume {
  readonly mediaId: string;
  readonly barcode: string;
  readonly robotNumber: number;
  readonly slot: number;
}

export interface InventoryRules {
  readonly idRules: readonly IdRule[];
  /** In order; empty when the inventory is not to use them. */
  readonly barcodeRules: readonly BarcodeRule[];
  readonly defaults: MediaDefaults;
}

export interface InventoryPlan {
  readonly changes: readonly InventoryChange[];
  /** Barcodes that cannot be a volume, with why. */
  readonly unusable: readonly string[];
}

export function planInventory(
  robotNumber: number,
  elements: readonly SeenElement[],
  known: readonly KnownVolume[],
  rules: InventoryRules,
): InventoryPlan {
  const changes: InventoryChange[] = [];
  const unusable: string[] = [];
  const seen = new Set<string>();
  const homes = homesOf(robotNumber, elements, known);
  const byId = new Map(known.map((volume) => [volume.mediaId, volume]));
  const byBarcode = new Map(known.map((volume) => [volume.barcode, volume]));
  for (const element of elements) {
    if (!element.full || (element.type !== 'slot' && element.type !== 'drive')) continue;
    const barcode = element.barcode.trim();
    const old = barcode === '' ? undefined : byBarcode.get(barcode);
    const mediaId = old?.mediaId ?? mediaIdOf(barcode, rules.idRules, robotNumber);
    const why = problem(mediaId, barcode, seen, byId);
    if (mediaId === undefined || why !== undefined) {
      unusable.push(`barcode '${barcode}' in ${element.type} ${element.number}: ${why}`);
      continue;
    }
    seen.add(mediaId);
    const volume = old ?? byId.get(mediaId);
    const slot = slotOf(robotNumber, element, volume, homes);
    const change = changeFor(robotNumber, { mediaId, barcode, slot }, volume, rules);
    if (change !== undefined) changes.push(change);
  }
  for (const volume of known) {
    if (volume.robotNumber !== robotNumber || volume.slot === 0 || seen.has(volume.mediaId))
      continue;
    const { mediaId, barcode, slot } = volume;
    changes.push({ ...NOTHING_NEW, mediaId, barcode, change: 'remove', slot: 0, oldSlot: slot });
  }
  return { changes, unusable };
}

const NOTHING_NEW = { pool: '', mediaType: '', maxMounts: 0, cleanings: 0, rule: '' };

function problem(
  mediaId: string | undefined,
  barcode: string,
  seen: ReadonlySet<string>,
  byId: ReadonlyMap<string, KnownVolume>,
): string | undefined {
  if (mediaId === undefined) return 'no media id can be made of it';
  if (seen.has(mediaId)) return `a second cartridge would be ${mediaId}`;
  const other = byId.get(mediaId)?.barcode ?? '';
  // Another cartridge than the one on record: its label would be the other's.
  if (other !== '' && !sameCartridge(other, barcode)) {
    return `it would be ${mediaId}, which is on record with barcode ${other}`;
  }
  return undefined;
}

/** One label, read by one reader with the two signs of its generation and by another without. */
function sameCartridge(a: string, b: string): boolean {
  return a === b || a.slice(0, -2) === b || b.slice(0, -2) === a;
}

interface Homes {
  readonly full: ReadonlySet<number>;
  /** Slots that are empty and no known volume's home, and behind the last one as many more as can be needed. */
  readonly free: number[];
}

function homesOf(
  robotNumber: number,
  elements: readonly SeenElement[],
  known: readonly KnownVolume[],
): Homes {
  const slots = elements.filter(({ type }) => type === 'slot');
  const homes = new Set(
    known.filter((each) => each.robotNumber === robotNumber).map(({ slot }) => slot),
  );
  const last = Math.max(0, ...slots.map(({ number }) => number), ...homes);
  const empty = slots.filter(({ full, number }) => !full && !homes.has(number));
  return {
    full: new Set(slots.filter(({ full }) => full).map(({ number }) => number)),
    free: [...empty.map(({ number }) => number), ...elements.map((_element, i) => last + 1 + i)],
  };
}

/** A volume in a drive keeps the slot it came from; one whose slot is not known, or taken by now, gets a free one. */
function slotOf(
  robotNumber: number,
  element: SeenElement,
  volume: KnownVolume | undefined,
  { full, free }: Homes,
): number {
  if (element.type === 'slot') return element.number;
  const home = volume?.robotNumber === robotNumber ? volume.slot : 0;
  return home > 0 && !full.has(home) ? home : (free.shift() ?? 0);
}

interface Found {
  readonly mediaId: string;
  readonly barcode: string;
  readonly slot: number;
}

function changeFor(
  robotNumber: number,
  found: Found,
  volume: KnownVolume | undefined,
  rules: InventoryRules,
): InventoryChange | undefined {
  const here = volume?.robotNumber === robotNumber && volume.slot > 0;
  const base = { ...NOTHING_NEW, ...found };
  if (volume === undefined) {
    const settings = settingsFor(found.barcode, rules.barcodeRules, rules.defaults);
    return { ...base, ...settings, change: 'add', oldSlot: 0 };
  }
  if (here && volume.slot === found.slot) {
    if (volume.barcode === found.barcode) return undefined;
    return { ...base, change: 'barcode', oldSlot: found.slot };
  }
  return { ...base, change: 'move', oldSlot: here ? volume.slot : 0 };
}
