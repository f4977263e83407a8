// bpstulist: the storage units, and the groups of them.

import type { StorageUnit } from '@tapestry/contracts';
import { type Context, command, requireSome } from '../command.ts';
import { type ParsedLine, PRIMARY_SERVER, usage } from '../option-table.ts';
import { groupTable, unitLong, unitRecord, unitTable } from '../render/storage-unit.ts';
import { codeOfSelection } from '../unit-line.ts';

const OPTIONS = {
  label: { kind: 'word', value: 'LABEL', help: 'one unit' },
  group: { kind: 'word', value: 'GROUP', help: 'one group' },
  go: { kind: 'flag', help: 'groups only' },
  L: { kind: 'flag', help: 'long listing' },
  l: { kind: 'flag', help: 'records for programs' },
  U: { kind: 'flag', help: 'listing for people' },
  M: PRIMARY_SERVER,
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const bpstulist = command({
  purpose: 'list storage units or groups of storage units',
  synopsis: ['[-label LABEL | -group GROUP | -go] [-L | -l | -U]'],
  options: OPTIONS,
  example: 'bpstulist -L',
  async run({ options }, context) {
    const { label, group, go } = options;
    if (label !== undefined && (group !== undefined || go)) {
      throw usage('-label excludes -group and -go');
    }
    if (group !== undefined || go) return await listGroups(options, context);
    const { units } = await (await context.client('nbemm')).ListStorageUnits({ name: label });
    requireSome(units, label === undefined ? 'there is no storage unit' : `there is no ${label}`);
    context.out(unitText(units, options));
    return 0;
  },
});

function unitText(units: readonly StorageUnit[], { L, U }: Line): string {
  if (L) return units.map((unit) => `${unitLong(unit)}\n`).join('');
  if (U) return unitTable(units);
  return units.map((unit) => `${unitRecord(unit)}\n`).join('');
}

async function listGroups({ group, L, U }: Line, context: Context): Promise<number> {
  const nbemm = await context.client('nbemm');
  const { groups } = await nbemm.ListStorageUnitGroups({ name: group });
  requireSome(
    groups,
    group === undefined ? 'there is no storage unit group' : `there is no group ${group}`,
  );
  if (L || U) context.out(groupTable(groups));
  else {
    for (const { name, selection, units } of groups) {
      context.out(`${[name, codeOfSelection(selection), ...units].join(' ')}\n`);
    }
  }
  return 0;
}
