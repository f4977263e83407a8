// bpstudel: deletes a storage unit.

import { command } from '../command.ts';
import { usage } from '../option-table.ts';

export const bpstudel = command({
  purpose: 'delete a storage unit',
  synopsis: ['-label LABEL'],
  options: { label: { kind: 'word', value: 'LABEL', help: 'its name' } },
  example: 'bpstudel -label unit1',
  async run({ options }, context) {
    if (options.label === undefined) throw usage('-label is needed');
    await (await context.client('nbemm')).DeleteStorageUnit({ name: options.label });
    return 0;
  },
});
