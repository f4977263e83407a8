// What an inventory changes: a robot's elements beside the volumes on record. Promises that a volume keeps its
// identity when it only moved, also when the rule that named it has changed since, and that nothing is deleted: what
// left a robot stays on record outside of it.

import type { BarcodeRule, Element, InventoryChange } from '@tapestry/contracts';
import { type MediaDefaults, settingsFor } from './barcode-rules.ts';
import { type IdRule, mediaIdOf } from './media-id.ts';

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
  elements: readonly Element[],
  known: readonly KnownVolume[],
  rules: InventoryRules,
): InventoryPlan {
  const changes: InventoryChange[] = [];
  const unusable: string[] = [];
  const seen = new Set<string>();
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
    const change = changeFor(robotNumber, element, mediaId, old ?? byId.get(mediaId), rules);
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

function changeFor(
  robotNumber: number,
  element: Element,
  mediaId: string,
  volume: KnownVolume | undefined,
  rules: InventoryRules,
): InventoryChange | undefined {
  const here = volume?.robotNumber === robotNumber && volume.slot > 0;
  // A volume in a drive keeps the slot it came from; a new one gets slot 0's stand-in, the drive's own number.
  const slot = element.type === 'slot' ? element.number : here ? volume.slot : element.number;
  const base = { ...NOTHING_NEW, mediaId, barcode: element.barcode.trim(), slot };
  if (volume === undefined) {
    const settings = settingsFor(base.barcode, rules.barcodeRules, rules.defaults);
    return { ...base, ...settings, change: 'add', oldSlot: 0 };
  }
  if (here && volume.slot === slot) {
    if (volume.barcode === base.barcode) return undefined;
    return { ...base, change: 'barcode', oldSlot: slot };
  }
  return { ...base, change: 'move', oldSlot: here ? volume.slot : 0 };
}
