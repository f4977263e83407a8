// vmdelete: forgets volumes that hold nothing.

import { command } from '../command.ts';
import { EMM_SERVER, usage } from '../option-table.ts';

export const vmdelete = command({
  purpose: 'delete volumes that are not assigned',
  synopsis: ['-m ID | -v GROUP'],
  options: {
    m: { kind: 'word', value: 'ID', help: 'media id' },
    v: { kind: 'word', value: 'GROUP', help: 'all volumes of a group, or none' },
    h: EMM_SERVER,
  },
  example: 'vmdelete -m TAP008',
  async run({ options }, context) {
    const { m, v } = options;
    if ((m === undefined) === (v === undefined)) throw usage('-m ID or -v GROUP is needed');
    const nbemm = await context.client('nbemm');
    if (m === undefined) await nbemm.DeleteVolumeGroup({ name: v });
    else await nbemm.DeleteVolume({ name: m });
    return 0;
  },
});
