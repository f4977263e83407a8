// Robots, drives and NDMP hosts as tpconfig shows them.

import type { DriveRow, GetDevicesReply, NdmpHostRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { fields, orNull, table } from './table.ts';

export function ndmpHostTable(hosts: readonly NdmpHostRow[], globalUser: string): string {
  const titles = ['NDMP host', 'address', 'port', 'user', 'authentication', 'from'];
  const rows = hosts.flatMap(({ name, address, port, user, auth, useGlobal, users }) => [
    [name, address, String(port), user || globalUser, auth, useGlobal ? 'default' : 'any'],
    ...users.map((each) => [name, address, String(port), each.user, auth, each.mediaServer]),
  ]);
  if (globalUser !== '') rows.push(['(default)', '-', '-', globalUser, '-', 'any']);
  return table(
    titles.map((title) => ({ title })),
    rows,
  );
}

export function deviceTables({ robots, drives }: GetDevicesReply): string {
  const driveTable = table(
    [
      ...[{ title: 'id', right: true }, { title: 'drive' }, { title: 'type' }, { title: 'robot' }],
      ...[{ title: 'media server' }, { title: 'state' }, { title: 'path' }],
    ],
    drives
      .flatMap((row) => waysTo(row))
      .map(({ drive, state }) => [
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

/** A row for each path, as if it were the only one. */
function waysTo(row: DriveRow): readonly DriveRow[] {
  const { drive, driveUp, paths } = row;
  if (drive === null || paths.length < 2) return [row];
  return paths.map(({ mediaServer, ndmpHost, path, up }) => ({
    ...row,
    drive: { ...drive, mediaServer, ndmpHost, path },
    state: driveUp && up ? 'UP' : 'DOWN',
  }));
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
        ...serialField(robot.serial),
      ]),
    ),
    ...drives.map(driveBlock),
  ];
  return blocks.length === 0 ? 'Nothing is configured.\n' : blocks.join('\n');
}

/** Only of those that a media server heard. */
function serialField(serial: string): [string, string][] {
  return serial === '' ? [] : [['Serial Number', serial]];
}

function pathFields({ paths }: DriveRow): [string, string][] {
  return paths.map(({ mediaServer, ndmpHost, path, up, reason }) => [
    'Path',
    `${path} from ${mediaServer}${ndmpHost && ` on ${ndmpHost}`}: ${up ? 'UP' : `DOWN (${reason})`}`,
  ]);
}

function driveBlock(row: DriveRow): string {
  const { drive, state, reason, lastUsedMs, lastCleanedMs, errors } = row;
  return fields([
    ['Drive Name', drive?.name ?? ''],
    ['Index', drive?.index ?? 0],
    ['Type', drive?.density ?? ''],
    ...pathFields(row),
    ...serialField(drive?.serial ?? ''),
    ['Robot', `${drive?.robotNumber}, drive ${drive?.robotDrive}`],
    ['State', reason === '' ? state : `${state}: ${reason}`],
    ['Last used', formatDateTime(lastUsedMs / 1000n)],
    ['Last cleaned', formatDateTime(lastCleanedMs / 1000n)],
    ['Errors', errors],
  ]);
}

/** `robot …` and `drive …` lines with fields parted by blanks; a drive has a line for each of its paths. */
export function deviceLines({ robots, drives }: GetDevicesReply): string {
  const lines = [
    ...robots.map((robot) =>
      [
        ...['robot', robot.number, '-', robot.type.toUpperCase(), '-', '-'],
        ...[orNull(robot.path), robot.controlHost, orNull(robot.ndmpHost)],
      ].join(' '),
    ),
    ...drives
      .flatMap(waysTo)
      .map(({ drive, state }) =>
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
