// Media types and densities: what fits into which drive. A media type is a density in capitals (HCART2), or such with
// _CLN behind it for a cartridge that cleans the drive.

import { StatusError } from '@tapestry/status';

/** Densities that a drive may have. */
export const DENSITIES: ReadonlySet<string> = new Set([
  ...['hcart', 'hcart2', 'hcart3', 'dlt', 'dlt2', 'dlt3'],
  ...['4mm', '8mm', '8mm2', '8mm3', 'dtf', 'qscsi'],
]);

const CLEANING = '_CLN';

export interface MediaType {
  /** As listings show it. */
  readonly name: string;
  readonly density: string;
  readonly cleaning: boolean;
}

/** Of a type that is on record. */
export function isCleaning(mediaType: string): boolean {
  return mediaType.endsWith(CLEANING);
}

/** Error: 223. */
export function mediaTypeOf(given: string): MediaType {
  const name = given.trim().toUpperCase();
  const cleaning = isCleaning(name);
  const density = (cleaning ? name.slice(0, -CLEANING.length) : name).toLowerCase();
  if (!DENSITIES.has(density)) {
    const types = [...DENSITIES].map((each) => each.toUpperCase()).join(', ');
    throw new StatusError(
      'invalidEntry',
      `media type '${given}' is not one of ${types}, or such with ${CLEANING} for cleaning`,
    );
  }
  return { name, density, cleaning };
}
