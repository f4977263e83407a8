// vmadd: makes a volume known.

import { StatusError } from '@tapestry/status';
import { type Context, command } from '../command.ts';
import { EMM_SERVER, usage } from '../option-table.ts';

export const vmadd = command({
  purpose: 'add a volume',
  synopsis: [
    '-m ID -mt TYPE [-b BARCODE] [-rt TLD -rn N -rc1 SLOT [-rh HOST]] [-p POOL] [-mm MAX | -n CLEANINGS] [-v GROUP] [-d TEXT]',
  ],
  options: {
    m: { kind: 'word', value: 'ID', help: 'media id, up to six letters and digits' },
    mt: { kind: 'word', value: 'TYPE', help: 'media type: HCART, HCART2, DLT ..., HCART_CLN' },
    b: { kind: 'word', value: 'BARCODE', help: 'barcode' },
    rt: { kind: 'word', value: 'TYPE', help: 'robot type; NONE for a volume on a shelf' },
    rn: { kind: 'number', value: 'N', help: 'robot number' },
    rh: { kind: 'word', value: 'HOST', help: 'host that controls the robot (known by its number)' },
    rc1: { kind: 'number', value: 'SLOT', help: 'slot, from 1' },
    p: { kind: 'word', value: 'POOL', help: 'number or name of the pool (NetBackup)' },
    mm: { kind: 'number', value: 'MAX', help: 'most mounts; 0 for no limit' },
    n: { kind: 'number', value: 'N', help: 'cleanings left, of a cleaning cartridge' },
    v: { kind: 'word', value: 'GROUP', help: 'volume group' },
    d: { kind: 'word', value: 'TEXT', help: 'description' },
    h: EMM_SERVER,
  },
  example: 'vmadd -m TAP001 -mt HCART -b TAP001L8 -rt TLD -rn 0 -rc1 1 -p NetBackup',
  async run({ options }, context) {
    const { m, mt, rt, rn, rc1 } = options;
    if (m === undefined || mt === undefined) throw usage('-m and -mt are needed');
    const inRobot = rt !== undefined && rt.toUpperCase() !== 'NONE';
    if (inRobot && (rn === undefined || rc1 === undefined)) throw usage('-rt needs -rn and -rc1');
    const volume = {
      ...{ mediaId: m, barcode: options.b ?? '', density: mt.toLowerCase().replace(/_cln$/, '') },
      ...(inRobot ? { robotNumber: rn, slot: rc1 } : {}),
      pool: options.p === undefined ? '' : await poolName(context, options.p),
    };
    await (await context.client('nbemm')).AddVolume({
      ...{ volume, description: options.d, maxMounts: options.mm, mediaType: mt.toUpperCase() },
      ...{ cleanings: options.n, volumeGroup: options.v },
    });
    return 0;
  },
});

/** A pool by name or, as NetBackup's commands have it, by number. Error: 167. */
export async function poolName(context: Context, given: string): Promise<string> {
  if (!/^\d+$/.test(given)) return given;
  const { pools } = await (await context.client('nbemm')).ListPools({});
  const found = pools.find((pool) => pool.number === Number(given));
  if (found === undefined) throw new StatusError('poolMissing', `there is no pool ${given}`);
  return found.name;
}
