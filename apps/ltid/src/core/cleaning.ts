// When a drive is due for cleaning, and with which cartridge.

import type { VolumeRow } from '@tapestry/contracts';
import type { LibraryElement } from '@tapestry/storage';

export interface Cleaning {
  readonly drive: string;
  /** Hours of use after which it is cleaned; 0 for never. */
  readonly frequencyHours: number;
  /** How long volumes were mounted since the last cleaning. */
  readonly usedMs: number;
  readonly lastMs: number;
  /** Why it is to be cleaned; empty when nobody asks. */
  readonly wanted: string;
}

const HOUR_MS = 3_600_000;

export function neverCleaned(drive: string): Cleaning {
  return { drive, frequencyHours: 0, usedMs: 0, lastMs: 0, wanted: '' };
}

/** Why the drive is to be cleaned; empty when it is not. */
export function whyDue({ wanted, frequencyHours, usedMs }: Cleaning): string {
  if (wanted !== '') return wanted;
  if (frequencyHours === 0 || usedMs < frequencyHours * HOUR_MS) return '';
  return `used for ${frequencyHours} hours`;
}

/** The cartridge with the fewest cleanings left, so that none dies of age. Never one that the robot takes for another kind. */
export function chooseCleaner(
  volumes: readonly VolumeRow[],
  elements: readonly LibraryElement[],
  density: string,
): { readonly mediaId: string; readonly barcode: string } | undefined {
  const found = volumes
    .filter(({ mediaType, cleanings }) => mediaType.endsWith('_CLN') && cleanings > 0)
    .filter(({ volume }) => volume !== null && ['', density].includes(volume.density))
    .sort((a, b) => a.cleanings - b.cleanings)
    .map(({ volume }) => ({
      mediaId: volume!.mediaId,
      barcode: volume!.barcode || volume!.mediaId,
    }));
  return found.find(({ barcode }) =>
    elements.some(
      ({ type, full, barcode: there, medium }) =>
        type === 'slot' && full && there === barcode && (medium ?? 'cleaning') === 'cleaning',
    ),
  );
}
