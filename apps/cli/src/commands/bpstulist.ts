// bpstulist: the storage units.

import type { StorageUnit } from '@tapestry/contracts';
import { command, requireSome } from '../command.ts';
import { DENSITY_CODES } from '../render/codes.ts';
import { fields, orNull, table } from '../render/table.ts';

export const bpstulist = command({
  purpose: 'list storage units',
  synopsis: ['[-label LABEL] [-L | -l | -U]'],
  options: {
    label: { kind: 'word', value: 'LABEL', help: 'one unit' },
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
  },
  example: 'bpstulist -L',
  async run({ options }, context) {
    const { label } = options;
    const { units } = await (await context.client('nbemm')).ListStorageUnits({ name: label });
    requireSome(units, label === undefined ? 'there is no storage unit' : `there is no ${label}`);
    if (options.L) context.out(units.map((unit) => `${long(unit)}\n`).join(''));
    else if (options.U) context.out(brief(units));
    else context.out(units.map((unit) => `${record(unit)}\n`).join(''));
    return 0;
  },
});

function long(unit: StorageUnit): string {
  return fields([
    ['Label', unit.label],
    ['Storage Unit Type', unit.type],
    ['Host Connection', unit.mediaServer],
    ['Number of Drives', unit.maxDrives],
    ['On Demand Only', unit.onDemandOnly ? 'yes' : 'no'],
    ['Density', unit.density],
    ['Robot Type/Number', `${unit.robotType.toUpperCase()} / ${unit.robotNumber}`],
    ['Max Fragment Size', `${unit.maxFragmentMb} MB`],
    ['Max MPX/drive', Math.max(1, unit.maxMpx)],
    ['NDMP attach host', unit.ndmpHost],
  ]);
}

function brief(units: readonly StorageUnit[]): string {
  return table(
    [
      ...[{ title: 'label' }, { title: 'type' }, { title: 'media server' }, { title: 'density' }],
      ...[{ title: 'robot' }, { title: 'drives', right: true }],
    ],
    units.map((unit) => [
      ...[unit.label, unit.type, unit.mediaServer, unit.density],
      ...[`${unit.robotType.toUpperCase()}(${unit.robotNumber})`, String(unit.maxDrives)],
    ]),
  );
}

/** Label, type (2 Media Manager), host, robot type (8 TLD), robot, density, drives, path …, fragment, on demand, mpx, NDMP host. */
function record(unit: StorageUnit): string {
  const robot = unit.robotType.toLowerCase() === 'tld' ? 8 : 0;
  return [
    ...[unit.label, 2, unit.mediaServer, robot, unit.robotNumber, DENSITY_CODES[unit.density] ?? 6],
    ...[unit.maxDrives, '*NULL*', unit.onDemandOnly ? 1 : 0, Math.max(1, unit.maxMpx)],
    ...[unit.maxFragmentMb, orNull(unit.ndmpHost)],
  ].join(' ');
}
