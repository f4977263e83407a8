// Volumes as vmquery shows them: in full, briefly, or every field in one line.

import type { VolumeRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { fields, orNull, table } from './table.ts';

const STATES: readonly (readonly [bit: number, word: string])[] = [
  [0x001, 'frozen'],
  [0x002, 'suspended'],
  [0x008, 'full'],
  [0x010, 'unmountable'],
  [0x080, 'imported'],
];

/** The state that people speak of, from the status bits. */
export function volumeState({ statusBits, volume, mediaType }: VolumeRow): string {
  const states = STATES.filter(([bit]) => statusBits & bit).map(([, word]) => word);
  if (states.length > 0) return states.join(' ');
  if (mediaType.endsWith('_CLN')) return 'cleaning';
  return volume?.assignedMs ? 'active' : 'available';
}

export function volumeLong(row: VolumeRow, pools: ReadonlyMap<string, number>): string {
  const volume = row.volume;
  const inRobot = (volume?.slot ?? 0) > 0;
  return fields([
    ['media ID', volume?.mediaId ?? ''],
    ['media type', row.mediaType],
    ['barcode', volume?.barcode ?? ''],
    ['media description', row.description],
    ['volume pool', `${volume?.pool ?? ''} (${pools.get(volume?.pool ?? '') ?? '?'})`],
    ['robot type', inRobot ? row.robotType.toUpperCase() : 'NONE - Not Robotic'],
    ['robot number', inRobot ? (volume?.robotNumber ?? '') : ''],
    ['robot slot', inRobot ? (volume?.slot ?? '') : ''],
    ['volume group', row.volumeGroup],
    ...(inRobot ? [] : shelfFields(row)),
    ['created', time(row.createdMs)],
    ['assigned', time(volume?.assignedMs ?? 0n)],
    ['last mounted', time(row.lastMountMs)],
    ['first mount', time(row.firstMountMs)],
    ['last written', time(row.lastWrittenMs)],
    ['expiration date', row.expirationMs === 0n ? 'never' : time(row.expirationMs)],
    ['data expires', formatDateTime(row.dataExpirationS)],
    ['number of mounts', row.mounts],
    ...limitFields(row),
    ['kilobytes written', row.writtenBytes / 1024n],
    ['images', row.images],
    ['retention level', volume?.assignedMs ? (volume.retentionLevel ?? '') : ''],
    ['owner', row.owner],
    ['errors', row.errors],
    ['status', `0x${row.statusBits.toString(16)} (${volumeState(row)})`],
  ]);
}

type Line = readonly [label: string, value: string | number];

function limitFields(row: VolumeRow): Line[] {
  if (row.mediaType.endsWith('_CLN')) return [['cleanings left', row.cleanings]];
  return [['max mounts allowed', row.maxMounts === 0 ? 'no limit' : row.maxMounts]];
}

function shelfFields({ offsite }: VolumeRow): Line[] {
  if (offsite === null || offsite.location === '') return [];
  return [
    ['offsite location', offsite.location],
    ['offsite slot', offsite.slot],
    ['offsite session', offsite.session],
    ['offsite sent', time(offsite.sentMs)],
    ['offsite return', time(offsite.returnMs)],
  ];
}

export function volumeBrief(rows: readonly VolumeRow[]): string {
  return table(
    [
      ...[
        { title: 'media id' },
        { title: 'type' },
        { title: 'robot' },
        { title: '#', right: true },
      ],
      ...[{ title: 'slot', right: true }, { title: 'pool' }, { title: 'assigned' }],
      { title: 'state' },
    ],
    rows.map((row) => {
      const inRobot = (row.volume?.slot ?? 0) > 0;
      return [
        row.volume?.mediaId ?? '',
        row.mediaType,
        inRobot ? row.robotType.toUpperCase() : 'NONE',
        inRobot ? String(row.volume?.robotNumber) : '-',
        inRobot ? String(row.volume?.slot) : '-',
        row.volume?.pool ?? '',
        time(row.volume?.assignedMs ?? 0n),
        volumeState(row),
      ];
    }),
  );
}

const WIDE_TITLES = [
  ...['media_ID', 'optical_partner', 'media_type', 'barcode', 'barcode_partner', 'robot_host'],
  ...['robot_type', 'robot_number', 'slot', 'side', 'volume_group', 'volume_pool', 'pool_number'],
  ...['previous_pool', 'mounts', 'max_mounts', 'cleanings_left', 'created_date', 'created_time'],
  ...['assigned_date', 'assigned_time', 'first_mount_date', 'first_mount_time'],
  ...['last_mount_date', 'last_mount_time', 'expiration_date', 'expiration_time', 'status'],
  ...['offsite_location', 'offsite_sent', 'offsite_return', 'offsite_slot', 'offsite_session'],
  ...['version', 'description'],
];

/** All fields of a volume record in NetBackup's order; a dash for what we do not keep. */
export function volumeWide(
  rows: readonly VolumeRow[],
  pools: ReadonlyMap<string, number>,
  forPrograms: boolean,
): string {
  const lines = rows.map((row) => wideFields(row, pools));
  if (!forPrograms)
    return table(
      WIDE_TITLES.map((title) => ({ title })),
      lines,
    );
  return lines.map((line) => `${line.join(' ')}\n`).join('');
}

function wideFields(row: VolumeRow, pools: ReadonlyMap<string, number>): string[] {
  const { volume, offsite } = row;
  const inRobot = (volume?.slot ?? 0) > 0;
  const robot = inRobot
    ? [row.robotHost, row.robotType.toUpperCase(), volume?.robotNumber, volume?.slot]
    : ['-', 'NONE', '-', '-'];
  const pool = volume?.pool ?? '-';
  return [
    ...[volume?.mediaId, '-', row.mediaType, volume?.barcode || '-', '-', ...robot, '-'],
    ...[row.volumeGroup || '-', pool, pools.get(pool) ?? '-', row.previousPool || '-'],
    ...[row.mounts, row.maxMounts, row.mediaType.endsWith('_CLN') ? row.cleanings : '-'],
    ...[...twoWords(row.createdMs), ...twoWords(volume?.assignedMs ?? 0n)],
    ...[...twoWords(row.firstMountMs), ...twoWords(row.lastMountMs)],
    ...[...twoWords(row.expirationMs), row.statusBits, offsite?.location || '-'],
    ...[oneWord(offsite?.sentMs ?? 0n), oneWord(offsite?.returnMs ?? 0n), offsite?.slot || '-'],
    ...[offsite?.session || '-', '0', orNull(row.description)],
  ].map(String);
}

function oneWord(ms: bigint): string {
  return ms === 0n ? '-' : time(ms).replace(' ', 'T');
}

function time(ms: bigint): string {
  return formatDateTime(ms / 1000n);
}

function twoWords(ms: bigint): string[] {
  return ms === 0n ? ['-', '-'] : time(ms).split(' ');
}
