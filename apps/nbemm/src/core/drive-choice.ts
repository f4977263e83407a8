// Which drives a storage unit may use for a request, or why it has none.

import type { ResourceRequest, StorageUnit } from '@tapestry/contracts';
import type { Drive, Inventory } from './inventory.ts';
import { Refusal } from './refusal.ts';
import { byPreference } from './volume-choice.ts';

export function drivesForUnit(
  inventory: Inventory,
  unit: StorageUnit,
  { ndmp }: Pick<ResourceRequest, 'ndmp'>,
): Drive[] {
  if (unit.ndmpHost !== '' && !ndmp) {
    throw new Refusal(
      'storageUnitIncompatible',
      `storage unit ${unit.label} hangs on NDMP host ${unit.ndmpHost}, which only a local or three-way backup may use`,
    );
  }
  requireActive(inventory, unit.mediaServer);
  const drives = inventory.drives.filter(
    ({ spec }) =>
      spec.mediaServer === unit.mediaServer &&
      spec.density === unit.density &&
      spec.robotNumber === unit.robotNumber &&
      spec.ndmpHost === unit.ndmpHost,
  );
  if (drives.length === 0) {
    const where = unit.ndmpHost === '' ? unit.mediaServer : `NDMP host ${unit.ndmpHost}`;
    throw new Refusal(
      'noDrivesForJob',
      `no ${unit.density} drive in robot ${unit.robotNumber} is configured on ${where}`,
    );
  }
  return byPreference(upDrives(drives), inventory.drives);
}

export function upDrives(drives: readonly Drive[]): Drive[] {
  const up = drives.filter((drive) => drive.up);
  if (up.length === 0) {
    const names = drives.map(({ spec, reason }) => `${spec.name}${reason && ` (${reason})`}`);
    throw new Refusal('driveDown', `every drive that fits is down: ${names.join(', ')}`);
  }
  return up;
}

export function requireActive(inventory: Inventory, name: string): void {
  const server = inventory.mediaServers.find((each) => each.name === name);
  if (server === undefined) {
    throw new Refusal('mediaServerMissing', `the media server ${name} is not known`);
  }
  if (!server.active) {
    throw new Refusal('mediaServerNotActive', `the media server ${name} is not active`);
  }
}
