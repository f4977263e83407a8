// From a drive's path to the drive: `vtl:<folder>#<n>` (n counts from 0) is built in, other schemes come from modules
// that configuration names.

import { StatusError } from '@tapestry/status';
import {
  type Drive,
  type DriveOwner,
  openVirtualDrive,
  parseVirtualDrivePath,
} from '@tapestry/storage';

/** What a drive module exports. */
export interface DriveModule {
  openDrive(path: string, owner: DriveOwner): Promise<Drive>;
}

/** Errors: 83 no such drive or scheme; 97, 902 it is held. */
export async function openDrivePath(
  path: string,
  owner: DriveOwner,
  modules: Readonly<Record<string, string>>,
): Promise<Drive> {
  const scheme = path.slice(0, path.indexOf(':'));
  const moduleName = modules[scheme];
  if (moduleName !== undefined) {
    const module = (await import(moduleName)) as DriveModule;
    return module.openDrive(path, owner);
  }
  const virtual = parseVirtualDrivePath(path);
  if (virtual === null) {
    throw new StatusError('mediaOpenError', `no driver for the drive path ${path}`);
  }
  return openVirtualDrive({ ...virtual, owner });
}
