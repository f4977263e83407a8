// The addresses of a library's elements: one layout for every library that we emulate.

import { StatusError } from '@tapestry/status';
import type { ElementType } from './library.ts';

export interface ElementLayout {
  readonly drives: number;
  readonly slots: number;
  /** Default 1. */
  readonly importExports?: number;
}

export interface ElementPlace {
  readonly address: number;
  readonly type: ElementType;
  readonly index: number;
}

/** First address of each type: room for 512 drives, 256 import/export elements and the slots up to 65535. */
export const FIRST_ADDRESS = { robot: 0, drive: 256, importExport: 768, slot: 1024 } as const;

/** All elements by address. */
export function elementPlaces(layout: ElementLayout): readonly ElementPlace[] {
  const { drives, slots, importExports = 1 } = layout;
  checkCount('drives', drives, 1, 512);
  checkCount('slots', slots, 1, 64_512);
  checkCount('import/export elements', importExports, 0, 256);
  return [
    ...places('robot', 1),
    ...places('drive', drives),
    ...places('importExport', importExports),
    ...places('slot', slots),
  ];
}

function places(type: ElementType, count: number): ElementPlace[] {
  return Array.from({ length: count }, (_, index) => ({
    address: FIRST_ADDRESS[type] + index,
    type,
    index,
  }));
}

function checkCount(what: string, count: number, min: number, max: number): void {
  if (!Number.isInteger(count) || count < min || count > max) {
    throw new StatusError('invalidParameter', `a library has ${min} to ${max} ${what}`);
  }
}
