// nbdevquery: disk pools, disk volumes and storage servers. A BasicDisk storage unit is a pool of its own, with one
// volume, the folder, on one server, its media server. How full a folder is only its host knows: a dash.

import type { StorageUnit } from '@tapestry/contracts';
import { command, requireSome } from '../command.ts';
import { type ParsedLine, usage } from '../option-table.ts';
import { fields } from '../render/table.ts';

const OPTIONS = {
  listdp: { kind: 'flag', help: 'disk pools' },
  listdv: { kind: 'flag', help: 'disk volumes' },
  liststs: { kind: 'flag', help: 'storage servers' },
  stype: { kind: 'word', value: 'TYPE', help: 'of one type: BasicDisk' },
  dp: { kind: 'word', value: 'POOL', help: 'one disk pool' },
  dv: { kind: 'word', value: 'VOLUME', help: 'one disk volume' },
  storage_server: { kind: 'word', value: 'HOST', help: 'one storage server' },
  U: { kind: 'flag', help: 'listing for people' },
  l: { kind: 'flag', help: 'records for programs (what it does when nothing is said)' },
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

const STYPE = 'BasicDisk';
/** First word of every record: the form that scripts know. */
const RECORD = 'V7.5';

export const nbdevquery = command({
  purpose: 'list disk pools, disk volumes or storage servers',
  synopsis: [
    '-listdp [-stype BasicDisk] [-dp POOL] [-U | -l]',
    '-listdv [-stype BasicDisk] [-dp POOL] [-dv VOLUME] [-U | -l]',
    '-liststs [-stype BasicDisk] [-storage_server HOST] [-U | -l]',
  ],
  options: OPTIONS,
  example: 'nbdevquery -listdv -stype BasicDisk -U',
  async run({ options }, context) {
    const { listdp, listdv, liststs } = options;
    if ([listdp, listdv, liststs].filter(Boolean).length !== 1) {
      throw usage('one of -listdp, -listdv and -liststs');
    }
    const { units } = await (await context.client('nbemm')).ListStorageUnits({});
    const disks = requireSome(
      units.filter((unit) => unit.type === 'Disk' && isWanted(unit, options)),
      'no disk storage unit matches',
    );
    if (liststs) {
      const servers = [...new Set(disks.map(({ mediaServer }) => mediaServer))].sort();
      context.out(servers.map((server) => serverText(server, options.U)).join(''));
    } else if (listdp) context.out(disks.map((unit) => poolText(unit, options.U)).join(''));
    else context.out(disks.map((unit) => volumeText(unit, options.U)).join(''));
    return 0;
  },
});

function isWanted(unit: StorageUnit, { stype, dp, dv, storage_server }: Line): boolean {
  return (
    (stype ?? STYPE).toLowerCase() === unit.diskType.toLowerCase() &&
    (dp ?? unit.label) === unit.label &&
    (dv ?? unit.path) === unit.path &&
    (storage_server ?? unit.mediaServer) === unit.mediaServer
  );
}

function poolText(unit: StorageUnit, forPeople: boolean): string {
  const { label, highWaterMark, lowWaterMark, mediaServer, maxDrives } = unit;
  if (!forPeople) {
    return `${RECORD} ${label} 1 0.00 0.00 1 ${highWaterMark} ${lowWaterMark} -1 ${mediaServer}\n`;
  }
  return `${fields([
    ['Disk Pool Name', label],
    ['Disk Type', STYPE],
    ['Status', 'UP'],
    ['Total Size (GB)', ''],
    ['Number of Volumes', 1],
    ['High Watermark', highWaterMark],
    ['Low Watermark', lowWaterMark],
    ['Max Concurrent Jobs', maxDrives],
    ['Storage Server', mediaServer],
  ])}\n`;
}

function volumeText({ label, path }: StorageUnit, forPeople: boolean): string {
  if (!forPeople) return `${RECORD} ${label} ${STYPE} ${path} @${label} 0.00 0.00 0 1 0 0 0\n`;
  return `${fields([
    ['Disk Pool Name', label],
    ['Disk Type', STYPE],
    ['Disk Volume Name', path],
    ['Total Capacity (GB)', ''],
    ['Free Space (GB)', ''],
    ['Status', 'UP'],
  ])}\n`;
}

function serverText(server: string, forPeople: boolean): string {
  if (!forPeople) return `${RECORD} ${server} ${STYPE} 5\n`;
  return `${fields([
    ['Storage Server', server],
    ['Storage Server Type', STYPE],
    ['Storage Type', 'Formatted Disk'],
    ['State', 'UP'],
  ])}\n`;
}
