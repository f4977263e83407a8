// Between rows of the EMM database and the messages and facts that the rest of nbemm speaks.

import {
  type AppendPoint,
  codec,
  type Init,
  type StorageUnit,
  type VolumeRow,
  type VolumeSpec,
} from '@tapestry/contracts';
import type { Selectable } from 'kysely';
import type { Volume } from '../core/inventory.ts';
import { isCleaning } from '../core/media-type.ts';
import type { StorageUnitsTable, VolumesTable } from './schema.ts';

const NO_APPEND: AppendPoint = {
  fileNumber: 0,
  blockNumber: 0n,
  trailerDigest: new Uint8Array(),
  fragment: '',
};

export function volumeSpec(row: Selectable<VolumesTable>): VolumeSpec {
  return {
    mediaId: row.media_id,
    barcode: row.barcode,
    density: row.density,
    robotNumber: row.robot_number,
    slot: row.slot,
    pool: row.pool,
    assignedMs: BigInt(row.assigned_ms),
    retentionLevel: row.retention_level,
    append: row.append === null ? NO_APPEND : codec('AppendPoint').decode(row.append),
  };
}

/** A cartridge that cleans drives has a density of its own here, which no drive has: it is never chosen for data. */
export function volumeFact(row: Selectable<VolumesTable>): Volume {
  const spec = volumeSpec(row);
  return {
    spec: isCleaning(row.media_type) ? { ...spec, density: row.media_type.toLowerCase() } : spec,
    version: row.version,
    statusBits: row.status_bits,
    mounts: row.mounts,
    maxMounts: row.max_mounts,
    lastUsedMs: Math.max(row.last_mount_ms, row.last_written_ms),
    mountedDrive: row.mounted_drive,
    expirationMs: row.expiration_ms,
  };
}

/** What a volume's robot adds to its row. */
export interface RobotOfVolume {
  readonly type: string;
  readonly control_host: string;
}

export function volumeRow(
  row: Selectable<VolumesTable>,
  robot: RobotOfVolume | undefined,
): Init<VolumeRow> {
  return {
    volume: volumeSpec(row),
    mediaType: row.media_type,
    statusBits: row.status_bits,
    mounts: row.mounts,
    maxMounts: row.max_mounts,
    createdMs: BigInt(row.created_ms),
    firstMountMs: BigInt(row.first_mount_ms),
    lastMountMs: BigInt(row.last_mount_ms),
    lastWrittenMs: BigInt(row.last_written_ms),
    writtenBytes: row.written_bytes,
    images: row.images,
    validImages: row.valid_images,
    dataExpirationS: row.data_expiration_s,
    description: row.description,
    robotType: row.slot > 0 ? (robot?.type ?? '') : '',
    robotHost: row.slot > 0 ? (robot?.control_host ?? '') : '',
    owner: row.owner,
    errors: row.errors,
    volumeGroup: row.volume_group,
    expirationMs: BigInt(row.expiration_ms),
    cleanings: row.cleanings,
    previousPool: row.previous_pool,
    offsite: {
      ...{ location: row.offsite_location, slot: row.offsite_slot, session: row.offsite_session },
      ...{ sentMs: BigInt(row.offsite_sent_ms), returnMs: BigInt(row.offsite_return_ms) },
    },
    mountedDrive: row.mounted_drive,
    version: row.version,
  };
}

export function storageUnit(row: Selectable<StorageUnitsTable>): StorageUnit {
  return {
    label: row.label,
    type: row.type,
    mediaServer: row.media_server,
    density: row.density,
    robotNumber: row.robot_number,
    robotType: row.robot_type,
    maxDrives: row.max_drives,
    maxFragmentMb: row.max_fragment_mb,
    onDemandOnly: row.on_demand_only,
    ndmpHost: row.ndmp_host,
    maxMpx: row.max_mpx,
    path: row.path,
    highWaterMark: row.high_water_mark,
    lowWaterMark: row.low_water_mark,
    diskType: row.disk_type,
  };
}
