// Volumes that hold data, as bpmedialist shows them.

import type { ImageRow, VolumeRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { DENSITY_CODES } from './codes.ts';
import { fields, table } from './table.ts';
import { volumeState } from './volume.ts';

const FROZEN = 0x001;
const SUSPENDED = 0x002;
const FULL = 0x008;

export function mediaList(rows: readonly VolumeRow[]): string {
  return table(
    [
      ...[{ title: 'media id' }, { title: 'server' }, { title: 'rl', right: true }],
      ...[
        { title: 'images', right: true },
        { title: 'kilobytes', right: true },
      ],
      ...[{ title: 'allocated' }, { title: 'last written' }, { title: 'expiration' }],
      { title: 'status' },
    ],
    rows.map((row) => [
      ...[row.volume?.mediaId ?? '', row.owner, String(row.volume?.retentionLevel)],
      ...[String(row.images), String(row.writtenBytes / 1024n)],
      ...[formatDateTime((row.volume?.assignedMs ?? 0n) / 1000n)],
      ...[formatDateTime(row.lastWrittenMs / 1000n), formatDateTime(row.dataExpirationS)],
      volumeState(row),
    ]),
  );
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
