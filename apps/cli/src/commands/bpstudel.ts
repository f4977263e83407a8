// bpstudel: deletes a storage unit or a group of them that no policy names.

import { command } from '../command.ts';
import { PRIMARY_SERVER, usage } from '../option-table.ts';

export const bpstudel = command({
  purpose: 'delete a storage unit or a group of storage units',
  synopsis: ['-label LABEL | -group GROUP'],
  options: {
    label: { kind: 'word', value: 'LABEL', help: 'a storage unit' },
    group: { kind: 'word', value: 'GROUP', help: 'a group; its units stay' },
    M: PRIMARY_SERVER,
  },
  example: 'bpstudel -label unit1',
  async run({ options }, context) {
    const { label, group } = options;
    if ((label === undefined) === (group === undefined)) throw usage('-label or -group is needed');
    const nbemm = await context.client('nbemm');
    if (label !== undefined) await nbemm.DeleteStorageUnit({ name: label });
    else await nbemm.DeleteStorageUnitGroup({ name: group });
    return 0;
  },
});
