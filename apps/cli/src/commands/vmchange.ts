// vmchange: changes what is on record about volumes, and lets them leave their robot.

import type { Init, VolumeChange } from '@tapestry/contracts';
import { type Context, command } from '../command.ts';
import { ejectVolumes } from '../eject-volumes.ts';
import { EMM_SERVER, type ParsedLine, usage } from '../option-table.ts';
import { poolName } from './vmadd.ts';

const OPTIONS = {
  m: { kind: 'word', value: 'ID', help: 'media id' },
  v: {
    kind: 'word',
    value: 'GROUP',
    help: 'all volumes of a group instead; with -res its new group',
  },
  p: { kind: 'word', value: 'POOL', help: 'number or name of the new pool; not while assigned' },
  maxmounts: { kind: 'number', value: 'N', help: 'most mounts; 0 for no limit' },
  n: { kind: 'number', value: 'N', help: 'cleanings left, of a cleaning cartridge' },
  d: { kind: 'word', value: 'TEXT', help: 'description' },
  exp: { kind: 'date', orNever: true, help: 'written no more after it; 0 for never' },
  barcode: { kind: 'word', value: 'BARCODE', help: 'new barcode' },
  new_v: { kind: 'word', value: 'GROUP', help: 'new volume group' },
  new_mt: { kind: 'word', value: 'TYPE', help: 'new media type; not while assigned' },
  res: { kind: 'flag', help: 'where it is now: -rt, -rn and -rc1, or -rt NONE' },
  mt: { kind: 'word', value: 'TYPE', help: 'media type (on record already)' },
  rt: { kind: 'word', value: 'TYPE', help: 'robot type; NONE for a volume on a shelf' },
  rn: { kind: 'number', value: 'N', help: 'robot number' },
  rh: { kind: 'word', value: 'HOST', help: 'host that controls the robot (known by its number)' },
  rc1: { kind: 'number', value: 'SLOT', help: 'slot, from 1' },
  e: { kind: 'flag', help: 'with -res -rt NONE: the robot puts it into an import/export slot' },
  sec: { kind: 'number', value: 'N', help: 'accepted: nobody waits for the slot to be emptied' },
  api_eject: { kind: 'flag', help: 'with -res -ml: the robot puts them into import/export slots' },
  ml: { kind: 'word', value: 'ID:ID', help: 'media ids, with colons between' },
  w: { kind: 'flag', help: 'accepted: the command always waits for the robot' },
  offloc: { kind: 'word', value: 'TEXT', help: 'offsite: location' },
  offslot: { kind: 'word', value: 'TEXT', help: 'offsite: slot' },
  offsid: { kind: 'word', value: 'TEXT', help: 'offsite: session' },
  offsent: { kind: 'date', orNever: true, help: 'offsite: when it was sent; 0 for not' },
  offreturn: { kind: 'date', orNever: true, help: 'offsite: when it comes back; 0 for not' },
  h: EMM_SERVER,
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const vmchange = command({
  purpose: 'change what is on record about volumes',
  synopsis: [
    '-m ID | -v GROUP  [-p POOL] [-maxmounts N | -n N] [-d TEXT] [-exp DATE|0] [-new_v GROUP]',
    '-m ID [-barcode BARCODE] [-new_mt TYPE]',
    '-res -m ID [-mt TYPE] -rt TLD -rn N -rc1 SLOT [-v GROUP] | -res -m ID -rt NONE',
    '-res -m ID -rt NONE -e | -res -api_eject -ml ID:ID [-rt TLD -rn N]',
    '-m ID | -v GROUP  [-offloc TEXT] [-offslot TEXT] [-offsid TEXT] [-offsent DATE|0] [-offreturn DATE|0]',
  ],
  options: OPTIONS,
  example: 'vmchange -m TAP001 -exp 12/31/2030 -d "yearly"',
  async run({ options }, context) {
    const { m, res } = options;
    // With -res it is the group that the volume gets, as in NetBackup.
    const v = res ? undefined : options.v;
    const leaving = leavingOf(options);
    if (leaving !== undefined) return ejectVolumes(context, leaving);
    if ((m === undefined) === (v === undefined)) throw usage('-m ID or -v GROUP is needed');
    const { change, set } = await changeOf(options, context);
    if (set.length === 0) throw usage('say what to change');
    await (await context.client('nbemm')).ChangeVolumes({
      ...{ mediaIds: m === undefined ? [] : [m], volumeGroup: v, change, set },
    });
    return 0;
  },
});

/** Volumes that are to leave their robot; undefined when none is. */
function leavingOf({ e, api_eject, res, m, ml, rt }: Line): string[] | undefined {
  if (!e && !api_eject) {
    if (ml !== undefined) throw usage('-ml goes with -api_eject');
    return undefined;
  }
  if (!res) throw usage('-e and -api_eject go with -res');
  if (api_eject) {
    if (ml === undefined || m !== undefined) throw usage('-api_eject needs -ml ID:ID');
    return ml.toUpperCase().split(':');
  }
  if (m === undefined || rt?.toUpperCase() !== 'NONE') throw usage('-e needs -m ID and -rt NONE');
  return [m.toUpperCase()];
}

interface Change {
  readonly change: Init<VolumeChange>;
  readonly set: readonly string[];
}

async function changeOf(options: Line, context: Context): Promise<Change> {
  const plain = {
    pool: options.p === undefined ? undefined : await poolName(context, options.p),
    ...{ maxMounts: options.maxmounts, cleanings: options.n, description: options.d },
    ...{
      barcode: options.barcode,
      volumeGroup: options.new_v ?? (options.res ? options.v : undefined),
    },
    mediaType: options.new_mt?.toUpperCase(),
    expirationMs: epochMs(options.exp),
  };
  const offsite = {
    ...{ location: options.offloc, slot: options.offslot, session: options.offsid },
    ...{ sentMs: epochMs(options.offsent), returnMs: epochMs(options.offreturn) },
  };
  const place = placeOf(options);
  return {
    change: { ...plain, ...place, offsite },
    set: [
      ...given(plain),
      ...given(offsite).map((name) => `offsite.${name}`),
      ...(place === undefined ? [] : ['slot']),
    ],
  };
}

function epochMs(seconds: number | undefined): bigint | undefined {
  return seconds === undefined ? undefined : BigInt(seconds) * 1_000n;
}

function given(fields: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(fields).filter((name) => fields[name] !== undefined);
}

function placeOf(options: Line): { robotNumber: number; slot: number } | undefined {
  const { res, m, rt, rn, rc1 } = options;
  if (!res) return undefined;
  if (m === undefined) throw usage('-res is for one volume: -m ID');
  if (rt === undefined) throw usage('-res needs -rt TYPE, or -rt NONE');
  if (rt.toUpperCase() === 'NONE') return { robotNumber: 0, slot: 0 };
  if (rn === undefined || rc1 === undefined || rc1 === 0) throw usage('-rt needs -rn and -rc1');
  return { robotNumber: rn, slot: rc1 };
}
