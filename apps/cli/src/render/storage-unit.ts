// Storage units and groups of them, as bpstulist and nbdevquery show them.

import type { StorageUnit, StorageUnitGroup } from '@tapestry/contracts';
import { DENSITY_CODES } from './codes.ts';
import { type Field, fields, orNull, table } from './table.ts';

const TYPE_CODES: Readonly<Record<string, number>> = { Disk: 1, 'Media Manager': 2, NDMP: 3 };

export function unitLong(unit: StorageUnit): string {
  return fields([
    ['Label', unit.label],
    ['Storage Unit Type', unit.type],
    ...(unit.type === 'Disk' ? diskFields(unit) : tapeFields(unit)),
    ['On Demand Only', unit.onDemandOnly ? 'yes' : 'no'],
    ['Max Fragment Size', `${unit.maxFragmentMb} MB`],
    ['Max MPX/drive', Math.max(1, unit.maxMpx)],
    ['NDMP attach host', unit.ndmpHost],
  ]);
}

function tapeFields(unit: StorageUnit): Field[] {
  return [
    ['Host Connection', unit.mediaServer],
    ['Number of Drives', unit.maxDrives],
    ['Density', unit.density],
    ['Robot Type/Number', robotText(unit, ' / ')],
  ];
}

function diskFields(unit: StorageUnit): Field[] {
  return [
    ['Media Subtype', unit.diskType],
    ['Host Connection', unit.mediaServer],
    ['Concurrent Jobs', unit.maxDrives],
    ['Path', unit.path],
    ['High Water Mark', `${unit.highWaterMark} %`],
    ['Low Water Mark', `${unit.lowWaterMark} %`],
  ];
}

function robotText({ robotType, robotNumber }: StorageUnit, between: string): string {
  return `${robotType.toUpperCase()}${between}${robotNumber}`;
}

export function unitTable(units: readonly StorageUnit[]): string {
  return table(
    [
      ...[{ title: 'label' }, { title: 'type' }, { title: 'media server' }, { title: 'density' }],
      ...[{ title: 'robot' }, { title: 'drives', right: true }, { title: 'path' }],
    ],
    units.map((unit) => [
      ...[unit.label, unit.diskType || unit.type, unit.mediaServer, unit.density || '-'],
      unit.type === 'Disk' ? '-' : `${robotText(unit, '(')})`,
      ...[String(unit.maxDrives), unit.path || (unit.ndmpHost && `on ${unit.ndmpHost}`) || '-'],
    ]),
  );
}

/** Label, type (1 disk, 2 Media Manager, 3 NDMP), host, robot type (8 TLD), robot, density, drives or jobs, path, on
 *  demand, mpx, fragment, NDMP host, water marks. */
export function unitRecord(unit: StorageUnit): string {
  const isDisk = unit.type === 'Disk';
  const robot = unit.robotType.toLowerCase() === 'tld' ? 8 : 0;
  return [
    ...[unit.label, TYPE_CODES[unit.type] ?? 0, unit.mediaServer, robot],
    ...[isDisk ? -1 : unit.robotNumber, isDisk ? -1 : (DENSITY_CODES[unit.density] ?? 6)],
    ...[unit.maxDrives, orNull(unit.path), unit.onDemandOnly ? 1 : 0, Math.max(1, unit.maxMpx)],
    ...[unit.maxFragmentMb, orNull(unit.ndmpHost), unit.highWaterMark, unit.lowWaterMark],
  ].join(' ');
}

export function groupTable(groups: readonly StorageUnitGroup[]): string {
  return table(
    [{ title: 'group' }, { title: 'selection' }, { title: 'storage units' }],
    groups.map(({ name, selection, units }) => [name, selection, units.join(' ')]),
  );
}
