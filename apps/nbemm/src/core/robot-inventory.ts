// What an inventory changes: a robot's elements beside the volumes on record. Promises that a volume keeps its
// identity when it only moved, and that nothing is deleted: what left a robot stays on record outside of it.

import type { Element, InventoryChange } from '@tapestry/contracts';

export interface KnownVolume {
  readonly mediaId: string;
  readonly barcode: string;
  readonly robotNumber: number;
  readonly slot: number;
}

export interface InventoryPlan {
  readonly changes: readonly InventoryChange[];
  /** Barcodes that cannot be a volume, with why. */
  readonly unusable: readonly string[];
}

const MEDIA_ID = /^[A-Z0-9]{1,6}$/;

/** First six characters of the barcode: `A00001L8` is A00001. Undefined when no media id can come from it. */
export function mediaIdOf(barcode: string): string | undefined {
  const mediaId = barcode.trim().toUpperCase().slice(0, 6);
  return MEDIA_ID.test(mediaId) ? mediaId : undefined;
}

export function planInventory(
  robotNumber: number,
  elements: readonly Element[],
  known: readonly KnownVolume[],
): InventoryPlan {
  const changes: InventoryChange[] = [];
  const unusable: string[] = [];
  const seen = new Set<string>();
  const byId = new Map(known.map((volume) => [volume.mediaId, volume]));
  for (const element of elements) {
    if (!element.full || (element.type !== 'slot' && element.type !== 'drive')) continue;
    const mediaId = mediaIdOf(element.barcode);
    if (mediaId === undefined || seen.has(mediaId)) {
      const why = mediaId === undefined ? 'no media id can be made of it' : 'a second one';
      unusable.push(`barcode '${element.barcode}' in ${element.type} ${element.number}: ${why}`);
      continue;
    }
    seen.add(mediaId);
    const volume = byId.get(mediaId);
    const change = changeFor(robotNumber, element, mediaId, volume);
    if (change !== undefined) changes.push(change);
  }
  for (const volume of known) {
    if (volume.robotNumber !== robotNumber || volume.slot === 0 || seen.has(volume.mediaId))
      continue;
    const { mediaId, barcode, slot } = volume;
    changes.push({ mediaId, barcode, change: 'remove', slot: 0, oldSlot: slot });
  }
  return { changes, unusable };
}

function changeFor(
  robotNumber: number,
  element: Element,
  mediaId: string,
  volume: KnownVolume | undefined,
): InventoryChange | undefined {
  const here = volume?.robotNumber === robotNumber && volume.slot > 0;
  // A volume in a drive keeps the slot it came from; a new one gets slot 0's stand-in, the drive's own number.
  const slot = element.type === 'slot' ? element.number : here ? volume.slot : element.number;
  const base = { mediaId, barcode: element.barcode.trim(), slot };
  if (volume === undefined) return { ...base, change: 'add', oldSlot: 0 };
  if (here && volume.slot === slot) return undefined;
  return { ...base, change: 'move', oldSlot: here ? volume.slot : 0 };
}
