// What may be a passphrase: text that a person can type again in ten years, hard enough to guess.

import { StatusError } from '@tapestry/status';

const SIGNS_MIN = 16;
const SIGNS_MAX = 1_024;
const BITS_MIN = 80;
/** Sizes of the sets that signs are drawn from. */
const SETS: readonly (readonly [RegExp, number])[] = [
  [/\p{Ll}/u, 26],
  [/\p{Lu}/u, 26],
  [/\p{Nd}/u, 10],
  [/[^\p{L}\p{Nd}]/u, 33],
];

/** The text in one form, however it was typed. Errors: 1241 too weak, 1243 signs that it may not have. */
export function checkedPassphrase(bytes: Uint8Array): string {
  const text = decoded(bytes);
  if (/\p{Cc}/u.test(text) || text.trim() !== text) {
    const why = 'a passphrase has no control signs, and no space at its ends';
    throw new StatusError('passphraseEncoding', why);
  }
  const signs = [...text].length;
  if (signs < SIGNS_MIN || signs > SIGNS_MAX) {
    throw new StatusError('passphraseWeak', `a passphrase has ${SIGNS_MIN} to ${SIGNS_MAX} signs`);
  }
  if (estimateBits(text) < BITS_MIN) {
    const why = 'this passphrase repeats itself too much: use more words, or other signs';
    throw new StatusError('passphraseWeak', why);
  }
  return text;
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      .decode(bytes)
      .normalize('NFC');
  } catch (error) {
    throw new StatusError('passphraseEncoding', 'a passphrase is UTF-8', {}, { cause: error });
  }
}

/** How hard it is to guess sign by sign; signs that come again count little. */
export function estimateBits(text: string): number {
  const signs = [...text];
  const pool = SETS.reduce((sum, [signs, size]) => sum + (signs.test(text) ? size : 0), 0);
  const counted = Math.min(signs.length, 2 * new Set(signs).size);
  return counted * Math.log2(Math.max(pool, 2));
}
