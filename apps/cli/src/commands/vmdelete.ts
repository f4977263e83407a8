// vmdelete: forgets a volume that holds nothing.

import { command } from '../command.ts';
import { usage } from '../option-table.ts';

export const vmdelete = command({
  purpose: 'delete a volume that is not assigned',
  synopsis: ['-m ID'],
  options: { m: { kind: 'word', value: 'ID', help: 'media id' } },
  example: 'vmdelete -m TAP008',
  async run({ options }, context) {
    if (options.m === undefined) throw usage('-m ID is needed');
    await (await context.client('nbemm')).DeleteVolume({ name: options.m });
    return 0;
  },
});
