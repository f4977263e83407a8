// How a media id comes from a barcode. A media id generation rule for the robot and the barcode's length names the
// signs to take (`1:2:3:4:5:6`) and signs to put in (`#N:2:3`); without one the last six signs are taken, and of an
// LTO label of eight signs, whose last two say the generation, the first six.

import { StatusError } from '@tapestry/status';

export interface IdRule {
  readonly robotNumber: number;
  readonly barcodeLength: number;
  readonly rule: string;
}

const ID_MAX = 6;
const BARCODE_MAX = 16;
const MEDIA_ID = /^[A-Z0-9]{1,6}$/;
const LTO_LABEL = /^[A-Z0-9]{6}(L[1-9A-HT-Z]|M[78])$/;

/** The rule with its parts in order. Errors: 223, 171 it makes more than six signs. */
export function checkIdRule({ robotNumber, barcodeLength, rule }: IdRule): void {
  if (robotNumber < 0) throw invalid(`robot number ${robotNumber} is not one`);
  if (barcodeLength < 1 || barcodeLength > BARCODE_MAX) {
    throw invalid(`a barcode has 1 to ${BARCODE_MAX} signs, not ${barcodeLength}`);
  }
  const parts = rule.split(':');
  if (parts.length > ID_MAX) {
    const why = `rule '${rule}' makes ${parts.length} signs: a media id has at most six`;
    throw new StatusError('mediaIdTooLong', why);
  }
  for (const part of parts) {
    if (/^#[A-Za-z0-9]$/.test(part)) continue;
    const position = Number(part);
    if (!/^\d{1,2}$/.test(part) || position < 1 || position > barcodeLength) {
      throw invalid(`'${part}' in rule '${rule}' is neither 1 to ${barcodeLength} nor #X`);
    }
  }
}

/** Undefined when no media id can be made of the barcode. */
export function mediaIdOf(
  barcode: string,
  rules: readonly IdRule[] = [],
  robotNumber = 0,
): string | undefined {
  const signs = barcode.trim().toUpperCase();
  const found = rules.find(
    (each) => each.robotNumber === robotNumber && each.barcodeLength === signs.length,
  );
  const mediaId = found === undefined ? byDefault(signs) : byRule(signs, found.rule);
  return MEDIA_ID.test(mediaId) ? mediaId : undefined;
}

function byDefault(signs: string): string {
  return LTO_LABEL.test(signs) ? signs.slice(0, ID_MAX) : signs.slice(-ID_MAX);
}

function byRule(signs: string, rule: string): string {
  return rule
    .split(':')
    .map((part) => (part.startsWith('#') ? part.slice(1) : (signs[Number(part) - 1] ?? '')))
    .join('')
    .toUpperCase();
}

function invalid(what: string): StatusError {
  return new StatusError('invalidEntry', what);
}
