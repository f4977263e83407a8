// bpstuadd: makes a storage unit.

import { command } from '../command.ts';
import { usage } from '../option-table.ts';

export const bpstuadd = command({
  purpose: 'add a storage unit',
  synopsis: [
    '-label LABEL -density DENSITY -rt TLD -rn N [-host MEDIA_SERVER] [-cj DRIVES] [-odo 0|1] [-mfs MB]',
  ],
  options: {
    label: { kind: 'word', value: 'LABEL', help: 'its name' },
    host: { kind: 'word', value: 'HOST', help: 'media server (this machine)' },
    density: { kind: 'word', value: 'DENSITY', help: 'hcart, hcart2, hcart3, dlt ...' },
    rt: { kind: 'word', value: 'TYPE', help: 'robot type' },
    rn: { kind: 'number', value: 'N', help: 'robot number' },
    cj: { kind: 'number', value: 'N', help: 'drives that it may use at once (1)' },
    odo: { kind: 'number', value: '0|1', help: '1: only for policies that name it' },
    mfs: { kind: 'number', value: 'MB', help: 'largest fragment' },
    maxmpx: { kind: 'number', value: 'N', help: 'images on one drive at once: 1' },
    nh: { kind: 'word', value: 'HOST', help: 'NDMP host that the drives hang on' },
  },
  example: 'bpstuadd -label unit1 -density hcart -rt TLD -rn 0 -cj 2',
  async run({ options }, context) {
    const { label, density, rn } = options;
    if (label === undefined || density === undefined || rn === undefined) {
      throw usage('-label, -density and -rn are needed');
    }
    if (options.odo !== undefined && options.odo > 1) throw usage('-odo is 0 or 1');
    await (await context.client('nbemm')).AddStorageUnit({
      unit: {
        ...{ label, density, robotNumber: rn, robotType: (options.rt ?? 'tld').toLowerCase() },
        mediaServer: options.host ?? (await context.host()),
        maxDrives: options.cj ?? 1,
        maxFragmentMb: BigInt(options.mfs ?? 0),
        onDemandOnly: options.odo === 1,
        ...{ ndmpHost: options.nh, maxMpx: options.maxmpx },
      },
    });
    return 0;
  },
});
