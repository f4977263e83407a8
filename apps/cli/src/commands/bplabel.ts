// bplabel: writes a label on a volume that holds no images, or erases it first. A job does it, and the command waits for that.

import { randomUUID } from 'node:crypto';
import { command } from '../command.ts';
import { waitForJobs } from '../job-wait.ts';
import { usage } from '../option-table.ts';

export const bplabel = command({
  purpose: 'label or erase a volume',
  synopsis: ['-m MEDIA_ID -d DENSITY [-o] [-p POOL] [-n DRIVE] [-host MEDIA_SERVER] [-erase [-l]]'],
  options: {
    m: { kind: 'word', value: 'MEDIA_ID', help: 'volume: one that holds no unexpired images' },
    d: { kind: 'word', value: 'DENSITY', help: 'its density' },
    o: { kind: 'flag', help: 'overwrite what others wrote on it, or another label' },
    p: { kind: 'word', value: 'POOL', help: 'the pool that it is in' },
    n: { kind: 'word', value: 'DRIVE', help: 'in this drive (any that fits)' },
    host: { kind: 'word', value: 'HOST', help: 'on this media server (any)' },
    erase: { kind: 'flag', help: 'erase it before' },
    l: { kind: 'flag', help: 'write over the whole tape, which takes long' },
  },
  example: 'bplabel -m TAP001 -d hcart -o',
  async run({ options }, context) {
    const { m: mediaId, d: density, p: pool, n: drive, host: mediaServer } = options;
    if (mediaId === undefined || density === undefined) throw usage('-m and -d are needed');
    if (options.l && !options.erase) throw usage('-l goes with -erase');
    const { jobId } = await (await context.client('bprd')).SubmitLabel({
      requestId: randomUUID(),
      requester: { user: context.user, host: context.machine },
      label: {
        ...{ mediaId: mediaId.toUpperCase(), density, drive, mediaServer },
        ...{ overwrite: options.o, longErase: options.l },
      },
      ...{ erase: options.erase, pool },
    });
    context.out(`job ${jobId} submitted\n`);
    return await waitForJobs(context, { jobIds: [jobId], waitMaxMs: undefined, log: undefined });
  },
});
