// Volumes that hold data, as bpmedialist shows them.

import type { ImageRow, VolumeRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { DENSITY_CODES } from './codes.ts';
import { fields, table } from './table.ts';
import { volumeState } from './volume.ts';

const FROZEN = 0x001;
const SUSPENDED = 0x002;
const FULL = 0x008;
const IMPORTED = 0x080;
/** What stands for never. */
const NEVER_S = 2_147_483_647n;

/** The first line of a volume, and the heading over it. */
function firstLine(
  cells: readonly [string, string, string, string, string, string, string, string],
) {
  const [id, level, images, allocated, written, density, kilobytes, restores] = cells;
  return [
    ...[id.padEnd(6), level.padStart(4), images.padStart(8), '  ', allocated.padEnd(16), '  '],
    ...[written.padEnd(16), '  ', density.padEnd(8), kilobytes.padStart(12), restores.padStart(9)],
  ].join('');
}

function secondLine([images, expiration, read, status]: readonly [string, string, string, string]) {
  const text = [
    images.padStart(18),
    '  ',
    expiration.padEnd(16),
    '  ',
    read.padEnd(16),
    '  ',
    status,
  ];
  return text.join('').trimEnd();
}

const HEADING = [
  firstLine([
    ...(['id', 'rl', 'images', 'allocated', 'last updated'] as const),
    ...(['density', 'kbytes', 'restores'] as const),
  ]),
  secondLine(['vimages', 'expiration', 'last read', '<------- STATUS ------->']),
  '-'.repeat(85),
].join('\n');

/** Two lines a volume, by media server. How often it was read, and when last, is not kept. */
export function mediaList(rows: readonly VolumeRow[]): string {
  const byOwner = Map.groupBy(rows, (row) => row.owner);
  return [...byOwner]
    .map(([owner, own]) => `Server Host = ${owner}\n\n${HEADING}\n${own.map(listed).join('')}`)
    .join('\n');
}

function listed(row: VolumeRow): string {
  const { volume } = row;
  const first = firstLine([
    ...([volume?.mediaId ?? '', String(volume?.retentionLevel), String(row.images)] as const),
    ...([minutes((volume?.assignedMs ?? 0n) / 1000n), minutes(row.lastWrittenMs / 1000n)] as const),
    ...([volume?.density ?? '', String(row.writtenBytes / 1024n), '-'] as const),
  ]);
  return `${first}\n${secondLine([String(row.validImages), expires(row), '-', statusWords(row)])}\n`;
}

/** Without seconds. */
function minutes(epochS: bigint): string {
  return formatDateTime(epochS).slice(0, 16);
}

function expires({ dataExpirationS, validImages }: VolumeRow): string {
  if (validImages === 0) return '-';
  return dataExpirationS >= NEVER_S ? 'INFINITY' : minutes(dataExpirationS);
}

/** As NetBackup spells them; an active volume has none. */
function statusWords({ statusBits }: VolumeRow): string {
  const words = [
    ...[statusBits & FROZEN ? 'FROZEN' : '', statusBits & SUSPENDED ? 'SUSPENDED' : ''],
    ...[statusBits & FULL ? 'FULL' : '', statusBits & IMPORTED ? 'IMPORTED' : ''],
  ];
  return words.filter((word) => word !== '').join(' ');
}

export function mediaLong(row: VolumeRow): string {
  const { volume } = row;
  const density = volume?.density ?? '';
  return fields([
    ['media_id', volume?.mediaId ?? ''],
    ['density', `${density} (${DENSITY_CODES[density] ?? '?'})`],
    ['allocated', formatDateTime((volume?.assignedMs ?? 0n) / 1000n)],
    ['last_written', formatDateTime(row.lastWrittenMs / 1000n)],
    ['expiration', formatDateTime(row.dataExpirationS)],
    ['last_mounted', formatDateTime(row.lastMountMs / 1000n)],
    ['retention_level', volume?.retentionLevel ?? 0],
    ['kbytes', row.writtenBytes / 1024n],
    ['nimages', row.images],
    ['vimages', row.validImages],
    ['status', `0x${row.statusBits.toString(16)} (${volumeState(row)})`],
    ['vmpool', volume?.pool ?? ''],
    ['owner', row.owner],
    ['errors', row.errors],
  ]);
}

/** Media id, partner, version, density, times, kilobytes, images, retention level, pool, restores, status, sizes. */
export function mediaRecord(row: VolumeRow, pools: ReadonlyMap<string, number>): string {
  const { volume } = row;
  return [
    ...[volume?.mediaId ?? '', '*NULL*', 2, DENSITY_CODES[volume?.density ?? ''] ?? 6],
    ...[(volume?.assignedMs ?? 0n) / 1000n, row.lastWrittenMs / 1000n, row.dataExpirationS],
    ...[row.lastMountMs / 1000n, row.writtenBytes / 1024n, row.images, row.validImages],
    ...[volume?.retentionLevel ?? 0, pools.get(volume?.pool ?? '') ?? 0, 0, row.statusBits],
    ...[1024, 0, volume?.append?.blockNumber ?? 0n, 0, 0, 0, 0, 0, 0, 0],
  ].join(' ');
}

/** A volume that is frozen, suspended or full counts there, in this order; all others are active. */
export function mediaSummary(rows: readonly VolumeRow[]): string {
  const owners = [...new Set(rows.map(({ owner }) => owner))].sort();
  const kinds = (each: readonly VolumeRow[]): string[] => {
    const frozen = each.filter(({ statusBits }) => statusBits & FROZEN);
    const suspended = each.filter(({ statusBits }) => (statusBits & 3) === SUSPENDED);
    const full = each.filter(({ statusBits }) => (statusBits & 11) === FULL);
    const others = each.length - frozen.length - suspended.length - full.length;
    return [others, full.length, suspended.length, frozen.length, each.length].map(String);
  };
  const titles = ['active', 'full', 'suspended', 'frozen', 'all'];
  return table(
    [{ title: 'server' }, ...titles.map((title) => ({ title, right: true }))],
    [
      ...owners.map((owner) => [owner, ...kinds(rows.filter((row) => row.owner === owner))]),
      ...(owners.length === 1 ? [] : [['all', ...kinds(rows)]]),
    ],
  );
}

/** Fragments on the volume, in the order in which they stand there. */
export function mediaContents(mediaId: string, images: readonly ImageRow[]): string {
  const found = images
    .flatMap((image) => image.fragments.map((fragment) => ({ image, fragment })))
    .filter(({ fragment }) => fragment.mediaId === mediaId)
    .sort((a, b) => a.fragment.fileNumber - b.fragment.fileNumber);
  return table(
    [
      ...[{ title: 'file', right: true }, { title: 'backup id' }, { title: 'copy', right: true }],
      ...[{ title: 'fragment', right: true }, { title: 'written' }, { title: 'expires' }],
      ...[{ title: 'kilobytes', right: true }, { title: 'policy' }],
    ],
    found.map(({ image, fragment }) => [
      ...[String(fragment.fileNumber), image.backupId, String(fragment.copy)],
      ...[String(fragment.number), formatDateTime(fragment.writtenMs / 1000n)],
      formatDateTime(image.expirationS),
      String((fragment.streamEndBytes - fragment.streamBeginBytes) / 1024n),
      image.policy,
    ]),
  );
}

export function mediaCount(
  robot: number,
  rows: readonly VolumeRow[],
  forPrograms: boolean,
): string {
  const used = rows.filter(({ volume }) => volume?.assignedMs).length;
  const counts = [rows.length, used, rows.length - used];
  if (forPrograms) return `${robot} ${counts.join(' ')}\n`;
  const titles = ['robot', 'volumes', 'assigned', 'available'];
  return table(
    titles.map((title) => ({ title, right: true })),
    [[robot, ...counts].map(String)],
  );
}
