// File names of a disk storage unit: `<backup id>_C<copy>_F<fragment>.img`, as administrators know them. Pure.

import { StatusError } from '@tapestry/status';
import type { ImageCopy } from '../disk.ts';

/** Leaves room for copy, fragment and ending within the 255 bytes of a file name. */
const BACKUP_ID_BYTES_MAX = 200;
const NUMBER_MAX = 999_999;

export interface FragmentName extends ImageCopy {
  readonly fragment: number;
}

/** What is still being written lies under such a name: the ending tells it apart, the token its writer. */
const UNFINISHED = /^\.([0-9a-f-]{36})\.part$/;

export function unfinishedName(token: string): string {
  return `.${token}.part`;
}

/** Null for a name that is not of an unfinished fragment. */
export function tokenOfUnfinished(name: string): string | null {
  return UNFINISHED.exec(name)?.[1] ?? null;
}

/** `<backup id>_C<copy>`: one key for one copy. Throws `invalidParameter` for what no image is called. */
export function imageKey({ backupId, copy }: ImageCopy): string {
  const escaped = backupId.isWellFormed() ? encodeURIComponent(backupId) : '';
  const fits = escaped !== '' && escaped.length <= BACKUP_ID_BYTES_MAX;
  if (!fits || escaped.startsWith('.')) {
    throw new StatusError('invalidParameter', `"${backupId}" is no backup id`);
  }
  checkNumber('copy', copy);
  return `${escaped}_C${copy}`;
}

export function fragmentName(name: FragmentName): string {
  checkNumber('fragment', name.fragment);
  return `${imageKey(name)}_F${name.fragment}.img`;
}

/** Null for a file that is no fragment of ours. */
export function parseFragmentName(file: string): FragmentName | null {
  const match = /^([^.].*)_C([1-9]\d{0,5})_F([1-9]\d{0,5})\.img$/.exec(file);
  if (!match) return null;
  try {
    const backupId = decodeURIComponent(match[1] as string);
    const name = { backupId, copy: Number(match[2]), fragment: Number(match[3]) };
    return fragmentName(name) === file ? name : null;
  } catch {
    return null;
  }
}

function checkNumber(what: string, number: number): void {
  if (!Number.isInteger(number) || number < 1 || number > NUMBER_MAX) {
    throw new StatusError('invalidParameter', `${number} is no ${what} number`);
  }
}
