// What an administrator may write into the EMM database: names, ranges and words, each refused with the status code
// that the command shows. Promises nothing about other rows; the adapters check those.

import type { DriveSpec, RobotSpec, StorageUnit, VolumeSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';

/** Densities that a drive may have; media types carry the same names in capitals (HCART, HCART2 …). */
const DENSITIES = new Set([
  ...['hcart', 'hcart2', 'hcart3', 'dlt', 'dlt2', 'dlt3'],
  ...['4mm', '8mm', '8mm2', '8mm3', 'dtf', 'qscsi'],
]);
const ROBOT_TYPES = new Set(['tld', 'tl8', 'tlm', 'acs']);
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;
const NAME_MAX = 48;
const POOL_MAX = 20;
const MEDIA_ID = /^[A-Z0-9]{1,6}$/;
/** NetBackup's default for a tape: the largest number of megabytes in a fragment. */
export const FRAGMENT_MB_MAX = 1_048_575n;

function invalid(what: string): StatusError {
  return new StatusError('invalidEntry', what);
}

export function checkName(what: string, name: string, sizeMax = NAME_MAX): void {
  if (name === '') throw new StatusError('requiredValueNotSet', `${what} is not given`);
  if (name.length > sizeMax || !NAME.test(name)) {
    throw invalid(`${what} '${name}' must be at most ${sizeMax} letters, digits, . _ + or -`);
  }
}

export function checkDensity(density: string): void {
  if (!DENSITIES.has(density)) {
    throw invalid(`density '${density}' is not one of ${[...DENSITIES].join(', ')}`);
  }
}

/** The media id in capitals. Errors: 171 longer than six characters, 223 other signs. */
export function checkedMediaId(mediaId: string): string {
  const upper = mediaId.trim().toUpperCase();
  if (upper.length > 6) {
    throw new StatusError('mediaIdTooLong', `media id '${mediaId}' has more than six characters`);
  }
  if (!MEDIA_ID.test(upper)) throw invalid(`media id '${mediaId}' must be letters and digits`);
  return upper;
}

export function checkRobot(robot: RobotSpec): void {
  if (robot.number < 0 || robot.number > 32_767) {
    throw invalid(`robot number ${robot.number} is not between 0 and 32767`);
  }
  if (!ROBOT_TYPES.has(robot.type)) {
    throw invalid(`robot type '${robot.type}' is not one of ${[...ROBOT_TYPES].join(', ')}`);
  }
  checkName('the control host', robot.controlHost, 255);
  if (robot.path === '' && robot.ndmpHost === '') {
    throw new StatusError('requiredValueNotSet', 'the path of the robot is not given');
  }
}

export function checkDrive(drive: DriveSpec): void {
  checkName('the drive name', drive.name);
  checkDensity(drive.density);
  checkName('the media server', drive.mediaServer, 255);
  if (drive.path === '' && drive.ndmpHost === '') {
    throw new StatusError('requiredValueNotSet', 'the path of the drive is not given');
  }
  if (drive.robotDrive < 1) throw invalid('the drive number in its robot counts from 1');
}

/** 0 for a volume that is in no robot. */
export function checkVolume(volume: VolumeSpec): void {
  checkDensity(volume.density);
  if (volume.barcode.length > 16) throw invalid(`barcode '${volume.barcode}' is over 16 signs`);
}

export function checkPool(name: string): void {
  checkName('the pool name', name, POOL_MAX);
}

export function checkUnit(unit: StorageUnit): void {
  checkName('the storage unit label', unit.label, 50);
  if (unit.type !== '' && unit.type !== 'Media Manager') {
    throw new StatusError(
      'notImplemented',
      `storage unit type '${unit.type}' is not built yet: use 'Media Manager'`,
    );
  }
  checkDensity(unit.density);
  if (unit.maxMpx > 1) throw new StatusError('notImplemented', 'multiplexing is not built yet');
  if (unit.maxFragmentMb > FRAGMENT_MB_MAX) {
    throw invalid(`a fragment has at most ${FRAGMENT_MB_MAX} MB`);
  }
  if (unit.maxFragmentMb !== 0n && unit.maxFragmentMb < 50n) {
    throw invalid('a fragment has at least 50 MB');
  }
}

export function checkHostAddress(port: number, auth: string): void {
  if (port < 0 || port > 65_535) throw invalid(`port ${port} is not a port`);
  if (!['', 'md5', 'text'].includes(auth)) {
    throw invalid(`authentication '${auth}' is neither md5 nor text`);
  }
}
