// From a drive's path to the drive: `vtl:<folder>#<n>` (n counts from 0) and `iscsi://host:port/target/lun` are built in,
// other schemes come from modules that configuration names.

import type { IscsiPlace } from '@tapestry/iscsi';
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

export interface DriveWays {
  readonly driveModules: Readonly<Record<string, string>>;
  /** How this host logs in to iSCSI targets. */
  readonly iscsi: IscsiPlace;
}

/** Errors: 83 no such drive or scheme; 97, 902 it is held; over iSCSI 12, 25, 40, 41, 116, 117, 223 too. */
export async function openDrivePath(
  path: string,
  owner: DriveOwner,
  { driveModules, iscsi }: DriveWays,
): Promise<Drive> {
  const scheme = path.slice(0, path.indexOf(':'));
  const moduleName = driveModules[scheme];
  if (moduleName !== undefined) {
    const module = (await import(moduleName)) as DriveModule;
    return module.openDrive(path, owner);
  }
  if (scheme === 'iscsi') {
    // Loaded by those alone that need it: warm processes stay small.
    const { openIscsiDrive } = await import('@tapestry/iscsi');
    return openIscsiDrive(path, owner, iscsi);
  }
  const virtual = parseVirtualDrivePath(path);
  if (virtual === null) {
    throw new StatusError('mediaOpenError', `no driver for the drive path ${path}`);
  }
  return openVirtualDrive({ ...virtual, owner });
}
