// bpstuadd: makes a storage unit, or a group of them.

import { type Context, command } from '../command.ts';
import { type ParsedLine, usage } from '../option-table.ts';
import { labelsOf, selectionOf, UNIT_OPTIONS, unitOf } from '../unit-line.ts';

const OPTIONS = {
  ...UNIT_OPTIONS,
  group: { kind: 'list', value: 'GROUP UNIT...', help: 'a group of units, in order' },
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const bpstuadd = command({
  purpose: 'add a storage unit or a group of storage units',
  synopsis: [
    '-label LABEL -density DENSITY -rt TLD -rn N [-nh NDMP_HOST] [-host HOST] [-cj DRIVES] [-odo 0|1] [-mfs MB]',
    '-label LABEL -path FOLDER [-dt 1] [-host HOST] [-cj JOBS] [-odo 0|1] [-mfs MB] [-hwm N] [-lwm N]',
    '-group GROUP UNIT... [-sm 1-4]',
  ],
  options: OPTIONS,
  example: 'bpstuadd -label unit1 -density hcart -rt TLD -rn 0 -cj 2',
  async run({ options }, context) {
    if (options.group === undefined) await addUnit(options, context);
    else await addGroup(options.group, options, context);
    return 0;
  },
});

async function addUnit(options: Line, context: Context): Promise<void> {
  const { label, density, rn, path } = options;
  const complete = path === undefined ? density !== undefined && rn !== undefined : true;
  if (label === undefined || !complete) {
    throw usage('-label is needed, with -density and -rn for tape or -path for disk');
  }
  await (await context.client('nbemm')).AddStorageUnit({
    unit: { ...unitOf(options), mediaServer: options.host ?? (await context.host()) },
  });
}

async function addGroup(words: readonly string[], { sm }: Line, context: Context): Promise<void> {
  const [name, ...labels] = words;
  const units = labelsOf(labels);
  if (units.length === 0) throw usage('-group needs the name of the group and its units');
  const group = { name, units, selection: selectionOf(sm) };
  await (await context.client('nbemm')).SetStorageUnitGroup({ group });
}
