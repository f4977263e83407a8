// Where the parts of a virtual library lie in its folder, and the device path that names one of its drives.

import { join } from 'node:path';
import { StatusError } from '@tapestry/status';

export function databasePath(libraryDir: string): string {
  return join(libraryDir, 'library.sqlite');
}

export function cartridgesPath(libraryDir: string): string {
  return join(libraryDir, 'cartridges');
}

export function cartridgePath(libraryDir: string, barcode: string): string {
  return join(cartridgesPath(libraryDir), barcode);
}

/** `vtl:<folder>#<drive index from 0>`: how configuration and EMM write a drive of a virtual library. */
export function virtualDrivePath(libraryDir: string, driveIndex: number): string {
  return `vtl:${libraryDir}#${driveIndex}`;
}

/** Null when the path names no drive of a virtual library. Throws `invalidParameter` when it is one, but misspelt. */
export function parseVirtualDrivePath(
  path: string,
): { libraryDir: string; driveIndex: number } | null {
  if (!path.startsWith('vtl:')) return null;
  const match = /^vtl:(\/.*)#(\d{1,3})$/.exec(path);
  if (!match) throw new StatusError('invalidParameter', `"${path}" is not vtl:/folder#drive`);
  return { libraryDir: match[1] as string, driveIndex: Number(match[2]) };
}
