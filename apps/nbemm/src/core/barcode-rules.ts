// Barcode rules: what an inventory makes of a new cartridge by the beginning of its barcode. The longest tag that fits
// decides, of equally long ones the older; <NONE> is for cartridges without a barcode, <DEFAULT> for all others.

import type { BarcodeRule } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { mediaTypeOf } from './media-type.ts';

export const NO_BARCODE = '<NONE>';
export const ANY_BARCODE = '<DEFAULT>';
const DEFAULT = 'DEFAULT';
const TAG = /^[A-Z0-9]{1,16}$/;
const CLEANINGS = 20;

/** What the inventory was told to do with what no rule knows. */
export interface MediaDefaults {
  readonly mediaType: string;
  readonly pool: string;
}

export interface MediaSettings {
  readonly mediaType: string;
  readonly pool: string;
  readonly maxMounts: number;
  readonly cleanings: number;
  /** Tag of the rule that decided; empty when none did. */
  readonly rule: string;
}

/** The tag in capitals. Errors: 152, 223. */
export function checkedRule(rule: BarcodeRule): BarcodeRule {
  const tag = rule.tag.trim().toUpperCase();
  if (tag === '') throw new StatusError('requiredValueNotSet', 'the barcode tag is not given');
  if (tag !== NO_BARCODE && tag !== ANY_BARCODE && !TAG.test(tag)) {
    throw new StatusError(
      'invalidEntry',
      `barcode tag '${rule.tag}' must be letters and digits, at most 16, or ${NO_BARCODE} or ${ANY_BARCODE}`,
    );
  }
  const mediaType = rule.mediaType.toUpperCase() || DEFAULT;
  if (mediaType !== DEFAULT) mediaTypeOf(mediaType);
  const pool = rule.pool.toUpperCase() === DEFAULT ? DEFAULT : rule.pool || DEFAULT;
  return { ...rule, tag, mediaType, pool };
}

/** The order in which rules are tried: long tags first, the two special ones last; `rules` come in order of age. */
export function inOrder<R extends { readonly tag: string }>(rules: readonly R[]): R[] {
  const weight = ({ tag }: R): number =>
    tag === NO_BARCODE ? -1 : tag === ANY_BARCODE ? -2 : tag.length;
  return [...rules].sort((a, b) => weight(b) - weight(a));
}

/** `rules` in order. A cleaning cartridge is never in a pool that backups take from. */
export function settingsFor(
  barcode: string,
  rules: readonly BarcodeRule[],
  defaults: MediaDefaults,
): MediaSettings {
  const signs = barcode.trim().toUpperCase();
  const rule = rules.find(({ tag }) => fits(tag, signs));
  const mediaType =
    rule === undefined || rule.mediaType === DEFAULT ? defaults.mediaType : rule.mediaType;
  const pool = rule === undefined || rule.pool === DEFAULT ? defaults.pool : rule.pool;
  const limit = rule?.maxMounts ?? 0;
  const { cleaning } = mediaTypeOf(mediaType);
  return {
    mediaType: mediaType.toUpperCase(),
    pool: cleaning ? 'None' : pool,
    maxMounts: cleaning ? 0 : limit,
    cleanings: cleaning ? (rule === undefined ? CLEANINGS : limit) : 0,
    rule: rule?.tag ?? '',
  };
}

function fits(tag: string, signs: string): boolean {
  if (tag === NO_BARCODE) return signs === '';
  if (tag === ANY_BARCODE) return signs !== '';
  return signs.startsWith(tag);
}
