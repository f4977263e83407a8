// Libraries to be drawn: a small one with every state in it, and one of any size.

import type { DriveRow, Element, Init, VolumeRow } from '@tapestry/contracts';
import type { DeviceScene } from './device-stage.ts';

const HOUR_MS = 3_600_000;
const GB = 1_000_000_000;
const STATES = ['active', 'full', 'active', 'scratch', 'full', 'available'] as const;
const POOLS = ['NetBackup', 'Archive', 'NetBackup', 'Scratch', 'Archive', 'None'] as const;

export const SLOT_AT = 1_000;
export const DRIVE_AT = 256;
export const MAIL_AT = 16;

export function mediaIdOf(index: number): string {
  return `A${String(index + 1).padStart(5, '0')}`;
}

/** Volume i of a library, in its slot. */
export function volumeAt(i: number, nowMs: number, more: Init<VolumeRow> = {}): Init<VolumeRow> {
  const mediaId = mediaIdOf(i);
  const state = more.state ?? STATES[i % 6]!;
  const written = ['active', 'full', 'frozen', 'suspended', 'expired'].includes(state);
  return {
    volume: {
      ...{ mediaId, barcode: `${mediaId}L8`, density: 'hcart', robotNumber: 0, slot: i + 1 },
      pool: POOLS[i % 6]!,
    },
    ...{ mediaType: 'HCART', mounts: i % 90, maxMounts: 0, images: written ? (i % 40) + 1 : 0 },
    writtenBytes: written ? BigInt(((i * 137) % 11_000) + 90) * BigInt(GB) : 0n,
    lastWrittenMs: written ? BigInt(nowMs - (i + 1) * HOUR_MS) : 0n,
    dataExpirationS: written ? BigInt(Math.floor((nowMs + (i + 2) * 40 * HOUR_MS) / 1000)) : 0n,
    owner: 'media1',
    ...more,
    state,
  };
}

/** Slots, mail slots and drives, with a volume in each of the first `full` slots. */
export function elementsOf({
  slots,
  full,
  drives,
  mail,
}: {
  slots: number;
  full: number;
  drives: number;
  mail: number;
}): Init<Element>[] {
  const many = (type: string, count: number, at: number): Init<Element>[] =>
    Array.from({ length: count }, (_, i) => ({ type, number: i + 1, address: at + i }));
  return [
    { type: 'robot', number: 1, address: 1 },
    ...many('import_export', mail, MAIL_AT),
    ...many('drive', drives, DRIVE_AT),
    ...many('slot', slots, SLOT_AT).map((slot, i) =>
      i < full ? { ...slot, full: true, barcode: `${mediaIdOf(i)}L8` } : slot,
    ),
  ];
}

export function driveAt(i: number, nowMs: number, more: Init<DriveRow> = {}): Init<DriveRow> {
  return {
    drive: {
      ...{ name: `drive${i}`, density: 'hcart', mediaServer: 'media1', robotNumber: 0 },
      robotDrive: i + 1,
    },
    ...{ state: 'UP', lastUsedMs: BigInt(nowMs - i * 400_000), errors: 0 },
    lastCleanedMs: BigInt(nowMs - (i + 3) * 30 * HOUR_MS),
    ...more,
  };
}

function put(elements: Init<Element>[], address: number, barcode: string): Init<Element>[] {
  return elements.map((each) =>
    each.address === address ? { ...each, full: true, barcode } : each,
  );
}

function take(elements: Init<Element>[], address: number): Init<Element>[] {
  return elements.map((each) =>
    each.address === address ? { ...each, full: false, barcode: '' } : each,
  );
}

const attempt = (jobId: bigint) => ({ jobId, try: 1, step: 1 });

/** Eight slots, two drives, everything well. */
export function smallScene(nowMs: number): DeviceScene {
  return {
    drives: [driveAt(0, nowMs), driveAt(1, nowMs)],
    elements: elementsOf({ slots: 8, full: 6, drives: 2, mail: 1 }),
    volumes: Array.from({ length: 6 }, (_, i) => volumeAt(i, nowMs)),
  };
}

/** A night with everything in it that may be seen. */
export function busyScene(nowMs: number): DeviceScene {
  const special = { 6: 'suspended', 13: 'frozen', 20: 'expired', 27: 'frozen' } as const;
  const volumes = Array.from({ length: 30 }, (_, i) =>
    volumeAt(i, nowMs, i in special ? { state: special[i as keyof typeof special] } : {}),
  );
  const cleaner = {
    volume: { mediaId: 'CLN001', barcode: 'CLN001L1', robotNumber: 0, slot: 39, pool: 'None' },
    ...{ mediaType: 'HCART_CLN', state: 'cleaning', cleanings: 31 },
  };
  const away = { ...volumeAt(44, nowMs), volume: { ...volumeAt(44, nowMs).volume, slot: 40 } };
  const shelf = { ...volumeAt(60, nowMs), volume: { ...volumeAt(60, nowMs).volume, slot: 0 } };
  let elements = elementsOf({ slots: 40, full: 30, drives: 5, mail: 3 });
  elements = put(take(elements, SLOT_AT + 2), DRIVE_AT, 'A00003L8');
  elements = put(take(elements, SLOT_AT + 8), DRIVE_AT + 1, 'A00009L8');
  elements = put(put(elements, SLOT_AT + 38, 'CLN001L1'), MAIL_AT, 'NEW017L8');
  const down = { state: 'DOWN', reason: 'three mounts in a row failed', errors: 3 };
  const outside = (name: string, more: object) => ({
    drive: { name, density: 'hcart', mediaServer: 'media1', ...more },
    ...{ state: 'UP', lastUsedMs: BigInt(nowMs - 90 * HOUR_MS) },
  });
  const [drive0, drive1, ...rest] = [0, 1, 2, 3, 4].map((i) =>
    driveAt(i, nowMs, i === 3 ? down : {}),
  );
  const grant = (jobId: bigint, row: Init<DriveRow>, mediaId: string) => ({
    grant: { attempt: attempt(jobId), drive: row.drive ?? null, volume: { mediaId } },
  });
  return {
    elements,
    volumes: [...volumes, away, shelf, cleaner],
    drives: [
      ...[drive0!, drive1!, ...rest],
      outside('filertape0', { ndmpHost: 'filer-zurich' }),
      outside('desktop0', {}),
    ],
    mounts: [
      { drive: 'drive0', mediaId: 'A00003', state: 'mounted' },
      { drive: 'drive1', mediaId: 'A00009', state: 'mounted' },
      { drive: 'drive4', mediaId: '', state: 'cleaning', reason: 'being cleaned' },
    ],
    units: {
      units: [
        {
          ...{ label: 'media1-disk', type: 'Disk', mediaServer: 'media1', path: '/srv/backup' },
          ...{ highWaterMark: 90, lowWaterMark: 75 },
        },
        {
          ...{ label: 'media2-disk', type: 'Disk', mediaServer: 'media2', path: '/mnt/nightly' },
          highWaterMark: 98,
        },
      ],
      disks: [
        {
          ...{ storageUnit: 'media1-disk', capacityBytes: 8_000n * BigInt(GB) },
          ...{ freeBytes: 560n * BigInt(GB), atMs: BigInt(nowMs - 20_000) },
        },
        {
          ...{ storageUnit: 'media2-disk', capacityBytes: 24_000n * BigInt(GB) },
          ...{ freeBytes: 15_100n * BigInt(GB), atMs: BigInt(nowMs - 40_000) },
        },
      ],
    },
    broker: {
      grants: [
        grant(1_001n, drive0!, 'A00003'),
        grant(1_002n, drive1!, 'A00009'),
        { grant: { attempt: attempt(1_003n), storageUnit: 'media2-disk', diskPath: '/mnt' } },
      ],
      waiting: [
        {
          request: {
            ...{ attempt: { jobId: 1_005n }, policy: 'nightly-projects', client: 'nas-fra-02' },
            ...{ priority: 10, requestedMs: BigInt(nowMs - 720_000) },
          },
          reasons: [
            ...['drive drive0 is held by job 1001', 'drive drive1 is held by job 1002'],
            ...['drive drive2 is unknown: ltid on media1 has not answered', 'drive drive3 is down'],
          ],
        },
        {
          request: {
            ...{ attempt: { jobId: 1_006n }, policy: 'vm-images', client: 'nas-lab' },
            ...{ priority: 0, requestedMs: BigInt(nowMs - 60_000) },
          },
          reasons: ['volume A00003 is held by job 1001'],
        },
      ],
      unknown: [
        {
          ...{ kind: 'drive', name: 'drive2', sinceMs: BigInt(nowMs - 90_000) },
          reason: 'ltid on media1 has not answered since its writer was lost.',
        },
      ],
    },
  };
}

/** As large as libraries are. */
export function largeScene(nowMs: number, slots = 1_000, onRecord = 1_000): DeviceScene {
  const odd = (i: number) =>
    i % 97 === 13 ? 'frozen' : i % 61 === 7 ? 'suspended' : i % 71 === 40 ? 'expired' : undefined;
  return {
    drives: Array.from({ length: 12 }, (_, i) =>
      driveAt(
        i,
        nowMs,
        i === 7 ? { state: 'DOWN', reason: 'it does not give its volume back' } : {},
      ),
    ),
    elements: elementsOf({ slots, full: Math.floor(slots * 0.93), drives: 12, mail: 24 }),
    volumes: Array.from({ length: onRecord }, (_, i) => {
      const state = odd(i);
      const row = volumeAt(i, nowMs, state === undefined ? {} : { state });
      return i < slots ? row : { ...row, volume: { ...row.volume, slot: 0 } };
    }).filter((_, i) => i < Math.floor(slots * 0.93) || i >= slots),
  };
}
