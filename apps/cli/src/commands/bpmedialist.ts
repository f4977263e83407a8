// bpmedialist: the volumes that hold data, how many there are of each kind, and what is on one.

import type { VolumeRow } from '@tapestry/contracts';
import { type Context, command, requireSome } from '../command.ts';
import { type ParsedLine, PRIMARY_SERVER, usage } from '../option-table.ts';
import {
  mediaContents,
  mediaCount,
  mediaList,
  mediaLong,
  mediaRecord,
  mediaSummary,
} from '../render/media-list.ts';
import { allVolumes } from '../volume-pages.ts';

const OPTIONS = {
  mlist: { kind: 'flag', help: 'volumes that hold data (what it does when nothing is said)' },
  summary: { kind: 'flag', help: 'how many are active, full, suspended and frozen' },
  mcontents: { kind: 'flag', help: 'images on one volume: -m ID' },
  count: { kind: 'flag', help: 'volumes in a robot: -rn N' },
  m: { kind: 'word', value: 'ID', help: 'one volume' },
  p: { kind: 'word', value: 'POOL', help: 'of one pool' },
  rl: { kind: 'number', value: 'LEVEL', help: 'of one retention level' },
  d: { kind: 'word', value: 'DENSITY', help: 'of one density' },
  h: { kind: 'word', value: 'HOST', help: 'of one media server' },
  owner: { kind: 'word', value: 'HOST', help: 'of one media server' },
  rt: { kind: 'word', value: 'TYPE', help: 'robot type (known by its number)' },
  rn: { kind: 'number', value: 'N', help: 'robot number' },
  L: { kind: 'flag', help: 'long listing' },
  l: { kind: 'flag', help: 'records for programs' },
  U: { kind: 'flag', help: 'listing for people (what it does when nothing is said)' },
  b: { kind: 'flag', help: 'media ids alone' },
  M: PRIMARY_SERVER,
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const bpmedialist = command({
  purpose: 'list volumes that hold data',
  synopsis: [
    '[-mlist] [-m ID] [-p POOL] [-rl LEVEL] [-d DENSITY] [-h HOST] [-U | -L | -l | -b]',
    '-summary [-p POOL] [-h HOST]',
    '-mcontents -m ID',
    '-count -rn N [-d DENSITY] [-U | -l]',
  ],
  options: OPTIONS,
  example: 'bpmedialist -summary',
  async run({ options }, context) {
    if ([options.mlist, options.summary, options.mcontents, options.count].filter(Boolean)[1]) {
      throw usage('one of -mlist, -summary, -mcontents and -count');
    }
    if (options.mcontents) return await contents(options, context);
    if (options.count) return await count(options, context);
    const rows = await assigned(options, context);
    if (options.summary) {
      context.out(mediaSummary(rows));
      return 0;
    }
    const { m } = options;
    requireSome(rows, m === undefined ? 'no volume holds data' : `${m} holds no data`);
    if (options.b) context.out(rows.map(({ volume }) => `${volume?.mediaId}\n`).join(''));
    else if (options.L) context.out(rows.map((row) => `${mediaLong(row)}\n`).join(''));
    else if (options.l) {
      const { pools } = await (await context.client('nbemm')).ListPools({});
      const numbers = new Map(pools.map(({ name, number }) => [name, number]));
      context.out(rows.map((row) => `${mediaRecord(row, numbers)}\n`).join(''));
    } else context.out(mediaList(rows));
    return 0;
  },
});

async function assigned(options: Line, context: Context): Promise<readonly VolumeRow[]> {
  const { m, p, rl, d } = options;
  const owner = options.h ?? options.owner;
  const nbemm = await context.client('nbemm');
  const volumes = await allVolumes(nbemm, { mediaId: m, pool: p, assignedOnly: true });
  return volumes.filter(
    (row) =>
      (owner ?? row.owner) === row.owner &&
      (rl ?? row.volume?.retentionLevel) === row.volume?.retentionLevel &&
      (d ?? row.volume?.density) === row.volume?.density,
  );
}

async function contents({ m }: Line, context: Context): Promise<number> {
  if (m === undefined) throw usage('-mcontents needs -m ID');
  const mediaId = m.toUpperCase();
  const { images } = await (await context.client('bpdbm')).ListImages({ mediaId });
  context.out(mediaContents(mediaId, requireSome(images, `no image is on ${mediaId}`)));
  return 0;
}

async function count({ rn, d, l }: Line, context: Context): Promise<number> {
  if (rn === undefined) throw usage('-count needs -rn N');
  const nbemm = await context.client('nbemm');
  const volumes = await allVolumes(nbemm, { robotNumber: rn, inRobot: true });
  const chosen = volumes.filter(({ volume }) => (d ?? volume?.density) === volume?.density);
  context.out(mediaCount(rn, chosen, l));
  return 0;
}
