// Volumes as people look for them.

import type { ListVolumesReply, VolumeRow } from '@tapestry/contracts';
import {
  type ApiVolume,
  type ApiVolumePage,
  MEDIA_STATES,
  type MediaState,
} from '../device-schemas.ts';
import { integer, timeOrNull } from './job-form.ts';

export function viewVolumes({ volumes, more, counts }: ListVolumesReply): ApiVolumePage {
  return {
    volumes: volumes.map(toApiVolume),
    next: more ? (volumes.at(-1)?.volume?.mediaId ?? null) : null,
    counts: Object.fromEntries(
      MEDIA_STATES.flatMap((state) => {
        const count = counts[state];
        return count === undefined ? [] : [[state, count]];
      }),
    ),
  };
}

function toApiVolume(row: VolumeRow): ApiVolume {
  const { volume } = row;
  const inRobot = (volume?.slot ?? 0) > 0;
  return {
    mediaId: volume?.mediaId ?? '',
    barcode: volume?.barcode ?? '',
    pool: volume?.pool ?? '',
    mediaType: row.mediaType,
    robotNumber: inRobot ? (volume?.robotNumber ?? null) : null,
    slot: inRobot ? (volume?.slot ?? null) : null,
    mountedDrive: row.mountedDrive,
    state: mediaStateOf(row),
    mounts: row.mounts,
    maxMounts: row.maxMounts,
    images: row.images,
    writtenBytes: integer(row.writtenBytes),
    lastWrittenMs: timeOrNull(row.lastWrittenMs),
    lastMountMs: timeOrNull(row.lastMountMs),
    expirationMs: timeOrNull(row.expirationMs),
    dataExpirationMs: dataExpirationOf(row),
    owner: row.owner,
    errors: row.errors,
    cleanings: row.cleanings,
  };
}

/** An nbemm of an earlier release names no state. */
export function mediaStateOf({ state }: Pick<VolumeRow, 'state'>): MediaState {
  return MEDIA_STATES.find((each) => each === state) ?? 'available';
}

const NEVER_S = 2_147_483_647n;

/** Null when nothing is on it, or what is on it never expires. */
function dataExpirationOf({ dataExpirationS }: VolumeRow): number | null {
  return dataExpirationS >= NEVER_S ? null : timeOrNull(dataExpirationS * 1_000n);
}
