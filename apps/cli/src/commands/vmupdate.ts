// vmupdate: lets the records of volumes follow what a robot holds.

import type { InventoryChange, MovedMedium } from '@tapestry/contracts';
import { command } from '../command.ts';
import { EMM_SERVER, usage } from '../option-table.ts';
import { poolName } from './vmadd.ts';

export const vmupdate = command({
  purpose: 'inventory a robot and update the volumes on record',
  synopsis: [
    '-rt TLD -rn N [-rh HOST] [-mt TYPE] [-p POOL] [-v GROUP] [-use_barcode_rules] [-empty_map] [-recommend] [-full]',
  ],
  options: {
    rt: { kind: 'word', value: 'TYPE', help: 'robot type' },
    rn: { kind: 'number', value: 'N', help: 'robot number' },
    rh: { kind: 'word', value: 'HOST', help: 'host that controls it (known by its number)' },
    mt: { kind: 'word', value: 'TYPE', help: "media type of new volumes (the drives' own)" },
    p: { kind: 'word', value: 'POOL', help: 'pool of new volumes (NetBackup)' },
    recommend: { kind: 'flag', help: 'only tell what would change' },
    use_barcode_rules: { kind: 'flag', help: 'type, pool and mounts of new volumes by vmrule' },
    v: { kind: 'word', value: 'GROUP', help: "volume group (the robot's own)" },
    empty_map: { kind: 'flag', help: 'first move what is in the import/export slots into slots' },
    full: { kind: 'flag', help: 'accepted; the whole robot is always read' },
    h: EMM_SERVER,
  },
  example: 'vmupdate -rt TLD -rn 0 -p NetBackup',
  async run({ options }, context) {
    if (options.rn === undefined) throw usage('-rn is needed');
    const pool = options.p === undefined ? '' : await poolName(context, options.p);
    const nbemm = await context.client('nbemm');
    const { changes, unusable, imported } = await nbemm.InventoryRobot({
      ...{ robotNumber: options.rn, pool, mediaType: options.mt },
      ...{ recommendOnly: options.recommend, volumeGroup: options.v },
      useBarcodeRules: options.use_barcode_rules,
      emptyMap: options.empty_map,
    });
    for (const each of imported) context.out(movedText(each));
    for (const why of unusable) context.error(`not used: ${why}\n`);
    if (changes.length === 0) {
      context.out('The records match what the robot holds.\n');
      return 0;
    }
    context.out(options.recommend ? 'Would change:\n' : 'Changed:\n');
    for (const change of changes) context.out(`  ${sentence(change)}\n`);
    return 0;
  },
});

/** What became of a volume that stood in an import/export slot, or that was to go there. */
function movedText({ barcode, to, failure }: MovedMedium): string {
  const what = barcode || 'a volume without a readable barcode';
  if (failure !== null) return `${what} was not moved: ${failure.code} ${failure.detail}\n`;
  return `${what} was moved into slot ${to?.number}\n`;
}

/** What an inventory changes about one volume, or would. */
export function sentence(change: InventoryChange): string {
  const { mediaId, barcode, slot, oldSlot } = change;
  const signs = barcode || 'no barcode';
  switch (change.change) {
    case 'add':
      return `${mediaId} (${signs}) added in slot ${slot}${kindText(change)}`;
    case 'remove':
      return `${mediaId} is no longer in the robot (was in slot ${oldSlot})`;
    case 'barcode':
      return `${mediaId} in slot ${slot} has the barcode ${signs}`;
    default: {
      const from = oldSlot === 0 ? 'outside' : `slot ${oldSlot}`;
      return `${mediaId} moved from ${from} to slot ${slot}`;
    }
  }
}

function kindText({ mediaType, pool, rule }: InventoryChange): string {
  if (mediaType === '') return '';
  return `: ${mediaType}, pool ${pool}${rule === '' ? '' : `, by rule ${rule}`}`;
}
