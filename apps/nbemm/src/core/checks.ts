// What an administrator may write into the EMM database: names, ranges and words, each refused with the status code
// that the command shows. Promises nothing about other rows; the adapters check those.

import type { DrivePath, DriveSpec, RobotSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { DENSITIES } from './media-type.ts';

const ROBOT_TYPES = new Set(['tld', 'tl8', 'tlm', 'acs']);
/** What NDMP's SCSI interface is used for; the others have no changer of their own. */
const NDMP_ROBOT_TYPES = new Set(['tld', 'acs']);
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;
const NAME_MAX = 48;
const POOL_MAX = 20;
const MEDIA_ID = /^[A-Z0-9]{1,6}$/;
const BARCODE_MAX = 16;
const GROUP_MAX = 25;
const DESCRIPTION_MAX = 256;
const SERIAL_MAX = 64;

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

/** As devices tell them: mostly letters and digits, but who knows. */
export function checkSerial(serial: string): void {
  if (serial.length > SERIAL_MAX) {
    throw invalid(`a serial number of ${serial.length} signs is longer than ${SERIAL_MAX}`);
  }
}

export function checkRobot(robot: RobotSpec): void {
  if (robot.number < 0 || robot.number > 32_767) {
    throw invalid(`robot number ${robot.number} is not between 0 and 32767`);
  }
  if (!ROBOT_TYPES.has(robot.type)) {
    throw invalid(`robot type '${robot.type}' is not one of ${[...ROBOT_TYPES].join(', ')}`);
  }
  if (robot.ndmpHost !== '' && !NDMP_ROBOT_TYPES.has(robot.type)) {
    throw invalid(`a robot on an NDMP host is of type ${[...NDMP_ROBOT_TYPES].join(' or ')}`);
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

export function checkDrivePath({ mediaServer, path }: DrivePath): void {
  checkName('the media server', mediaServer, 255);
  if (path === '') throw new StatusError('requiredValueNotSet', 'the path is not given');
}

export function checkBarcode(barcode: string): void {
  if (barcode.length > BARCODE_MAX || /\s/.test(barcode)) {
    throw invalid(`barcode '${barcode}' must be at most ${BARCODE_MAX} signs without blanks`);
  }
}

/** Empty takes a volume out of its group. */
export function checkGroup(group: string): void {
  if (group.length > GROUP_MAX || /\s/.test(group)) {
    throw invalid(`volume group '${group}' must be at most ${GROUP_MAX} signs without blanks`);
  }
}

export function checkDescription(text: string): void {
  if (text.length > DESCRIPTION_MAX || /[\0\n]/.test(text)) {
    throw invalid(`a description is one line of at most ${DESCRIPTION_MAX} signs`);
  }
}

export function checkPool(name: string): void {
  checkName('the pool name', name, POOL_MAX);
}

export function checkHostAddress(port: number, auth: string): void {
  if (port < 0 || port > 65_535) throw invalid(`port ${port} is not a port`);
  if (!['', 'md5', 'text'].includes(auth)) {
    throw invalid(`authentication '${auth}' is neither md5 nor text`);
  }
}
