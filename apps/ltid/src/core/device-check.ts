// Is the device at a path the one that is on record? Serial numbers tell, where devices have them.

import type { LibraryElement } from '@tapestry/storage';

export interface DeviceFacts {
  /** On record; empty: not yet. */
  readonly known: string;
  /** By the drive's own word; empty: it tells none. */
  readonly found: string;
  readonly driveIndex: number;
  /** The robot's elements; null when they could not be read. */
  readonly elements: readonly LibraryElement[] | null;
}

export type DeviceVerdict =
  | { readonly do: 'nothing' }
  | { readonly do: 'record' }
  | { readonly do: 'down'; readonly reason: string };

export function judgeDevice({ known, found, driveIndex, elements }: DeviceFacts): DeviceVerdict {
  if (found === '') return { do: 'nothing' };
  if (isAnother(known, found)) return { do: 'down', reason: anotherText('drive', known, found) };
  // Some changers cut the last number short: only a place that has this very number speaks against a drive.
  const place = elements?.find(
    ({ type, driveSerial }) => type === 'drive' && driveSerial === found,
  );
  if (place !== undefined && place.index !== driveIndex) {
    const text = `in its robot it is drive ${place.index + 1}, on record is ${driveIndex + 1}`;
    return { do: 'down', reason: `serial number ${found}: ${text}` };
  }
  return known === '' ? { do: 'record' } : { do: 'nothing' };
}

export function isAnother(known: string, found: string): boolean {
  return known !== '' && found !== '' && known !== found;
}

export function anotherText(what: 'drive' | 'robot', known: string, found: string): string {
  return `another ${what} is there: serial number ${found}, on record is ${known} (tpautoconf -replace_${what})`;
}
