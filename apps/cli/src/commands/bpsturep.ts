// bpsturep: changes a storage unit, or a group of them.

import { type Context, command } from '../command.ts';
import { type ParsedLine, usage } from '../option-table.ts';
import { labelsOf, selectionOf, UNIT_OPTIONS, unitOf } from '../unit-line.ts';

const OPTIONS = {
  ...UNIT_OPTIONS,
  group: { kind: 'word', value: 'GROUP', help: 'a group of units' },
  addstu: { kind: 'list', value: 'UNIT...', help: 'units that join the group, behind the others' },
  delstu: { kind: 'list', value: 'UNIT...', help: 'units that leave the group' },
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const bpsturep = command({
  purpose: 'change a storage unit or a group of storage units',
  synopsis: [
    '-label LABEL [-host HOST] [-density DENSITY] [-rn N] [-nh HOST] [-path FOLDER] [-cj N] [-odo 0|1]',
    '        [-mfs MB] [-maxmpx N] [-hwm N] [-lwm N]',
    '-group GROUP [-addstu UNIT... | -delstu UNIT...] [-sm 1-4]',
  ],
  options: OPTIONS,
  example: 'bpsturep -label unit1 -cj 1',
  async run({ options }, context) {
    const { label, group } = options;
    if ((label === undefined) === (group === undefined)) throw usage('-label or -group is needed');
    if (group === undefined) await changeUnit(options, context);
    else await changeGroup(group, options, context);
    return 0;
  },
});

async function changeUnit(options: Line, context: Context): Promise<void> {
  const unit = unitOf(options);
  const set = Object.entries(unit)
    .filter(([name, value]) => name !== 'label' && value !== undefined)
    .map(([name]) => name);
  if (set.length === 0) throw usage('say what to change');
  await (await context.client('nbemm')).UpdateStorageUnit({ unit, set });
}

async function changeGroup(name: string, options: Line, context: Context): Promise<void> {
  const { addstu, delstu, sm } = options;
  if (addstu !== undefined && delstu !== undefined) {
    throw usage('-addstu and -delstu exclude each other');
  }
  const selection = selectionOf(sm);
  const set = [
    ...(addstu === undefined ? [] : ['addUnits']),
    ...(delstu === undefined ? [] : ['deleteUnits']),
    ...(selection === undefined ? [] : ['selection']),
  ];
  if (set.length === 0) throw usage('say what to change');
  const group = { name, units: labelsOf(addstu ?? delstu ?? []), selection };
  await (await context.client('nbemm')).SetStorageUnitGroup({ group, update: true, set });
}
