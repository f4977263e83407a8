// What is behind an iSCSI portal, as tpautoconf shows it: each device with its path, its place in a robot where a changer
// tells serial numbers, and what it is configured as.

import type { GetDevicesReply, IscsiTarget, IscsiUnit } from '@tapestry/contracts';
import { fromWire } from '@tapestry/status';
import { table } from './table.ts';

export function iscsiTargetsText(
  targets: readonly IscsiTarget[],
  devices: Pick<GetDevicesReply, 'robots' | 'drives'>,
): string {
  if (targets.length === 0) return 'No target is offered to this host.\n';
  const units = targets.flatMap((target) => target.units);
  const changers = units.filter(({ kind }) => kind === 'changer');
  const parts = targets.map((target) => targetText(target, changers, devices));
  return [...parts, unmatchedText(units, changers)].filter((part) => part !== '').join('\n');
}

function targetText(
  { name, units, failure }: IscsiTarget,
  changers: readonly IscsiUnit[],
  devices: Pick<GetDevicesReply, 'robots' | 'drives'>,
): string {
  if (failure !== null) return `${name}\n  ${fromWire(failure).message}\n`;
  const titles = ['lun', 'device', 'product', 'serial', 'place', 'configured as', 'path'];
  const rows = units
    .filter(({ kind }) => kind !== '')
    .map((unit) => [
      ...[String(unit.lun), unit.kind === 'tape' ? 'drive' : 'robot'],
      ...[`${unit.vendor} ${unit.product}`.trim(), unit.serial || '-'],
      ...[placeOf(unit, changers), configuredAs(unit, devices), unit.path],
    ]);
  if (rows.length === 0) return `${name}\n  neither drives nor robots\n`;
  const shown = table(
    titles.map((title) => ({ title })),
    rows,
  );
  return `${name}\n${shown}`;
}

/** Its number in the robot, as -robdrnum wants it. */
function placeOf({ kind, serial }: IscsiUnit, changers: readonly IscsiUnit[]): string {
  if (kind !== 'tape' || serial === '') return '-';
  const changer = changers.find(({ driveSerials }) => driveSerials.includes(serial));
  if (changer === undefined) return '?';
  return `drive ${changer.driveSerials.indexOf(serial) + 1} in ${changer.serial || changer.path}`;
}

function configuredAs(
  { kind, path }: IscsiUnit,
  { robots, drives }: Pick<GetDevicesReply, 'robots' | 'drives'>,
): string {
  const robot = robots.find((each) => each.path === path);
  const drive = drives.find(({ paths }) => paths.some((each) => each.path === path));
  if (kind === 'changer') return robot === undefined ? '-' : `robot ${robot.number}`;
  return drive?.drive?.name ?? '-';
}

function unmatchedText(units: readonly IscsiUnit[], changers: readonly IscsiUnit[]): string {
  const lost = units.filter((unit) => placeOf(unit, changers) === '?').map(({ serial }) => serial);
  if (lost.length === 0 || changers.length === 0) return '';
  const what = `No robot here tells by serial number where ${lost.join(', ')} stands`;
  return `${what}: move a cartridge into a drive (robtest) and see which one gets ready.\n`;
}
