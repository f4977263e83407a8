// bpimage: removes expired images now, instead of with the next cleanup.

import { cleanUpAndWait } from '../cleanup-job.ts';
import { command } from '../command.ts';
import { PRIMARY_SERVER, usage } from '../option-table.ts';

export const bpimage = command({
  purpose: 'remove expired images and give back volumes without images, now',
  synopsis: ['-cleanup -allclients [-prunetir]'],
  options: {
    cleanup: { kind: 'flag', help: 'remove what has expired; a job, which is waited for' },
    allclients: { kind: 'flag', help: 'of every client' },
    prunetir: { kind: 'flag', help: 'also true image restore data: NDMP images have none' },
    M: PRIMARY_SERVER,
  },
  example: 'bpimage -cleanup -allclients',
  async run({ options }, context) {
    if (!options.cleanup || !options.allclients) throw usage('-cleanup -allclients');
    return await cleanUpAndWait(context);
  },
});
