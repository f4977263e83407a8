// vmquery: the volumes on record.

import { command, requireSome } from '../command.ts';
import { usage } from '../option-table.ts';
import { volumeBrief, volumeLong, volumeWide } from '../render/volume.ts';

export const vmquery = command({
  purpose: 'list volumes',
  synopsis: ['-a | -m ID | -pn POOL | -rn N | -mt TYPE  [-b | -w | -W]'],
  options: {
    a: { kind: 'flag', help: 'all volumes' },
    m: { kind: 'word', value: 'ID', help: 'one volume' },
    pn: { kind: 'word', value: 'POOL', help: 'volumes of a pool' },
    rn: { kind: 'number', value: 'N', help: 'volumes in a robot' },
    mt: { kind: 'word', value: 'TYPE', help: 'volumes of a media type' },
    b: { kind: 'flag', help: 'brief: a line each' },
    w: { kind: 'flag', help: 'wide: every field in columns' },
    W: { kind: 'flag', help: 'wide, for programs: fields parted by blanks' },
  },
  example: 'vmquery -pn NetBackup -b',
  async run({ options }, context) {
    const { m, pn, rn, mt } = options;
    if (!options.a && [m, pn, rn, mt].every((each) => each === undefined)) {
      throw usage('name volumes with -m, -pn, -rn or -mt, or all with -a');
    }
    const nbemm = await context.client('nbemm');
    const [{ volumes }, { pools }] = await Promise.all([
      nbemm.ListVolumes({ mediaId: m, pool: pn, robotNumber: rn, inRobot: rn !== undefined }),
      nbemm.ListPools({}),
    ]);
    const type = mt?.toUpperCase();
    const chosen = requireSome(
      type === undefined ? volumes : volumes.filter((each) => each.mediaType === type),
      m === undefined ? 'no volume matches' : `there is no volume ${m}`,
    );
    const numbers = new Map(pools.map((pool) => [pool.name, pool.number]));
    if (options.b) context.out(volumeBrief(chosen));
    else if (options.w || options.W) context.out(volumeWide(chosen, numbers, options.W));
    else for (const row of chosen) context.out(`${volumeLong(row, numbers)}\n`);
    return 0;
  },
});
