// Robots, drives and NDMP hosts as tpconfig shows them.

import type { DriveRow, GetDevicesReply, NdmpHostRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { fields, orNull, table } from './table.ts';

export function ndmpHostTable(hosts: readonly NdmpHostRow[]): string {
  return table(
    ['NDMP host', 'address', 'port', 'user', 'authentication'].map((title) => ({ title })),
    hosts.map(({ name, address, port, user, auth }) => [name, address, String(port), user, auth]),
  );
}

export function deviceTables({ robots, drives }: GetDevicesReply): string {
  const driveTable = table(
    [
      ...[{ title: 'id', right: true }, { title: 'drive' }, { title: 'type' }, { title: 'robot' }],
      ...[{ title: 'media server' }, { title: 'state' }, { title: 'path' }],
    ],
    drives.map(({ drive, state }) => [
      ...[String(drive?.index), drive?.name ?? '', drive?.density ?? ''],
      ...[`${drive?.robotNumber} drive ${drive?.robotDrive}`, drive?.mediaServer ?? '', state],
      pathText(drive),
    ]),
  );
  const robotTable = table(
    ['robot', 'type', 'control host', 'path'].map((title) => ({ title })),
    robots.map((robot) => [
      ...[String(robot.number), robot.type.toUpperCase(), robot.controlHost, pathText(robot)],
    ]),
  );
  return `${drives.length === 0 ? 'No drive is configured.\n' : driveTable}\n${robots.length === 0 ? 'No robot is configured.\n' : robotTable}`;
}

export function deviceLong({ robots, drives, mediaServers }: GetDevicesReply): string {
  const blocks = [
    ...mediaServers.map((server) =>
      fields([
        ['Media server', server.name],
        ['Active', server.active ? 'yes' : 'no'],
        ['Registered', formatDateTime(server.registeredMs / 1000n)],
      ]),
    ),
    ...robots.map((robot) =>
      fields([
        ['Robot', robot.number],
        ['Type', robot.type.toUpperCase()],
        ['Control Host', robot.controlHost],
        ['NDMP Host', robot.ndmpHost],
        ['Path', robot.path],
      ]),
    ),
    ...drives.map(driveBlock),
  ];
  return blocks.length === 0 ? 'Nothing is configured.\n' : blocks.join('\n');
}

function driveBlock({ drive, state, reason, lastUsedMs, errors }: DriveRow): string {
  return fields([
    ['Drive Name', drive?.name ?? ''],
    ['Index', drive?.index ?? 0],
    ['Type', drive?.density ?? ''],
    ['Media server', drive?.mediaServer ?? ''],
    ['NDMP Host', drive?.ndmpHost ?? ''],
    ['Path', drive?.path ?? ''],
    ['Robot', `${drive?.robotNumber}, drive ${drive?.robotDrive}`],
    ['State', reason === '' ? state : `${state}: ${reason}`],
    ['Last used', formatDateTime(lastUsedMs / 1000n)],
    ['Errors', errors],
  ]);
}

/** `robot …` and `drive …` lines with fields parted by blanks. */
export function deviceLines({ robots, drives }: GetDevicesReply): string {
  const lines = [
    ...robots.map((robot) =>
      [
        ...['robot', robot.number, '-', robot.type.toUpperCase(), '-', '-'],
        ...[orNull(robot.path), robot.controlHost, orNull(robot.ndmpHost)],
      ].join(' '),
    ),
    ...drives.map(({ drive, state }) =>
      [
        ...['drive', drive?.index, drive?.density, drive?.robotNumber, drive?.robotDrive, state],
        ...[drive?.name, orNull(drive?.path ?? ''), drive?.mediaServer],
        orNull(drive?.ndmpHost ?? ''),
      ].join(' '),
    ),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function pathText(device: { path: string; ndmpHost: string } | null): string {
  if (device === null) return '-';
  return device.ndmpHost === '' ? device.path : `${device.path} on ${device.ndmpHost}`;
}
