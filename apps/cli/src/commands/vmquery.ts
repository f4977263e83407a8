// vmquery: the volumes on record.

import { command, requireSome } from '../command.ts';
import { EMM_SERVER, usage } from '../option-table.ts';
import { volumeBrief, volumeLong, volumeWide } from '../render/volume.ts';
import { allVolumes } from '../volume-pages.ts';
import { poolName } from './vmadd.ts';

export const vmquery = command({
  purpose: 'list volumes',
  synopsis: [
    '-a | -m ID | -pn POOL | -p NUMBER | -rn N | -rt TYPE | -mt TYPE | -v GROUP | -bc BARCODE',
    '        [-b | -w | -W]',
  ],
  options: {
    a: { kind: 'flag', help: 'all volumes' },
    m: { kind: 'word', value: 'ID', help: 'one volume' },
    pn: { kind: 'word', value: 'POOL', help: 'volumes of a pool' },
    rn: { kind: 'number', value: 'N', help: 'volumes in a robot' },
    p: { kind: 'number', value: 'NUMBER', help: 'volumes of a pool, by its number' },
    rt: { kind: 'word', value: 'TYPE', help: 'volumes in robots of a type; NONE: in none' },
    mt: { kind: 'word', value: 'TYPE', help: 'volumes of a media type' },
    v: { kind: 'word', value: 'GROUP', help: 'volumes of a group' },
    bc: { kind: 'word', value: 'BARCODE', help: 'the volume with a barcode' },
    b: { kind: 'flag', help: 'brief: a line each' },
    w: { kind: 'flag', help: 'wide: every field in columns' },
    W: { kind: 'flag', help: 'wide, for programs: fields parted by blanks' },
    h: EMM_SERVER,
  },
  example: 'vmquery -pn NetBackup -b',
  async run({ options }, context) {
    const { a, m, pn, p, rn, rt, mt, v, bc } = options;
    if (!a && [m, pn, p, rn, rt, mt, v, bc].every((each) => each === undefined)) {
      throw usage('name volumes with -m, -pn, -rn, -mt, -v or -bc, or all with -a');
    }
    const nbemm = await context.client('nbemm');
    const { pools } = await nbemm.ListPools({});
    const pool = p === undefined ? pn : await poolName(context, String(p));
    const volumes = await allVolumes(nbemm, {
      ...{ mediaId: m, pool, robotNumber: rn, inRobot: rn !== undefined },
      ...{ volumeGroup: v, barcode: bc },
    });
    const type = mt?.toUpperCase();
    const robot = rt?.toUpperCase();
    const chosen = requireSome(
      volumes.filter((row) => {
        const inType = (row.robotType || 'none').toUpperCase();
        return (type ?? row.mediaType) === row.mediaType && (robot ?? inType) === inType;
      }),
      m === undefined ? 'no volume matches' : `there is no volume ${m}`,
    );
    const numbers = new Map(pools.map((pool) => [pool.name, pool.number]));
    if (options.b) context.out(volumeBrief(chosen));
    else if (options.w || options.W) context.out(volumeWide(chosen, numbers, options.W));
    else for (const row of chosen) context.out(`${volumeLong(row, numbers)}\n`);
    return 0;
  },
});
