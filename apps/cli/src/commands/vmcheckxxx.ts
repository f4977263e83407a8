// vmcheckxxx: what a robot holds, and whether the volumes on record agree with it. It changes nothing.

import type { Element, InventoryChange, VolumeRow } from '@tapestry/contracts';
import { command } from '../command.ts';
import { EMM_SERVER, usage } from '../option-table.ts';
import { table } from '../render/table.ts';
import { allVolumes } from '../volume-pages.ts';
import { sentence } from './vmupdate.ts';

export const vmcheckxxx = command({
  purpose: 'show what a robot holds, or compare it with the volumes on record',
  synopsis: ['-rt TLD -rn N [-rh HOST] [-full | -list]'],
  options: {
    rt: { kind: 'word', value: 'TYPE', help: 'robot type' },
    rn: { kind: 'number', value: 'N', help: 'robot number' },
    rh: { kind: 'word', value: 'HOST', help: 'host that controls it (known by its number)' },
    full: { kind: 'flag', help: 'every slot beside its record, not only what differs' },
    list: { kind: 'flag', help: 'only what the robot holds' },
    h: EMM_SERVER,
  },
  example: 'vmcheckxxx -rt TLD -rn 0 -full',
  async run({ options }, context) {
    const { rn, full, list } = options;
    if (rn === undefined) throw usage('-rn is needed');
    if (full && list) throw usage('-full and -list exclude each other');
    const nbemm = await context.client('nbemm');
    const request = { robotNumber: rn, recommendOnly: true };
    const { elements, changes, unusable } = await nbemm.InventoryRobot(request);
    if (list) {
      context.out(contents(elements));
      return 0;
    }
    if (full) {
      const volumes = await allVolumes(nbemm, { robotNumber: rn, inRobot: true });
      context.out(`${comparison(elements, volumes, changes)}\n`);
    }
    for (const why of unusable) context.out(`  no record can be made: ${why}\n`);
    if (changes.length > 0) context.out('vmupdate would change:\n');
    for (const change of changes) context.out(`  ${sentence(change)}\n`);
    const differs = changes.length + unusable.length > 0;
    context.out(
      differs ? 'The records differ: see vmupdate.\n' : 'The records match what the robot holds.\n',
    );
    return 0;
  },
});

function contents(elements: readonly Element[]): string {
  return table(
    [
      { title: 'element' },
      { title: 'number', right: true },
      { title: 'tape' },
      { title: 'barcode' },
    ],
    elements.map(({ type, number, full, barcode }) => [
      ...[type, String(number), full ? 'yes' : 'no', full ? barcode || '<none>' : '-'],
    ]),
  );
}

/** Slots, each with what is there and what is on record. */
function comparison(
  elements: readonly Element[],
  volumes: readonly VolumeRow[],
  changes: readonly InventoryChange[],
): string {
  const bySlot = new Map(volumes.map((row) => [row.volume?.slot ?? 0, row]));
  const wrong = new Set(changes.flatMap(({ slot, oldSlot }) => [slot, oldSlot]));
  return table(
    [
      ...[{ title: 'slot', right: true }, { title: 'tape' }, { title: 'barcode' }],
      ...[{ title: 'media id on record' }, { title: 'barcode on record' }, { title: 'mismatch' }],
    ],
    elements
      .filter(({ type }) => type === 'slot')
      .map(({ number, full, barcode }) => {
        const volume = bySlot.get(number)?.volume;
        return [
          ...[String(number), full ? 'yes' : 'no', full ? barcode || '<none>' : '-'],
          ...[volume?.mediaId ?? '-', volume?.barcode || '-', wrong.has(number) ? 'yes' : ''],
        ];
      }),
  );
}
