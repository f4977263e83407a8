// Between rows of the EMM database and the messages and facts that the rest of nbemm speaks.

import {
  type AppendPoint,
  codec,
  type DriveRow,
  type DriveSpec,
  type Init,
  type StorageUnit,
  type VolumeRow,
  type VolumeSpec,
} from '@tapestry/contracts';
import type { Selectable } from 'kysely';
import type { Drive, Volume } from '../core/inventory.ts';
import type { DrivesTable, StorageUnitsTable, VolumesTable } from './schema.ts';

export function driveSpec(row: Selectable<DrivesTable>): DriveSpec {
  return {
    name: row.name,
    index: row.index,
    density: row.density,
    mediaServer: row.media_server,
    path: row.path,
    robotNumber: row.robot_number,
    robotDrive: row.robot_drive,
    ndmpHost: row.ndmp_host,
  };
}

export function driveFact(row: Selectable<DrivesTable>): Drive {
  return { spec: driveSpec(row), up: row.up, reason: row.reason, lastUsedMs: row.last_used_ms };
}

export function driveRow(row: Selectable<DrivesTable>): DriveRow {
  return {
    drive: driveSpec(row),
    state: row.up ? 'UP' : 'DOWN',
    reason: row.reason,
    lastUsedMs: BigInt(row.last_used_ms),
    errors: row.errors,
  };
}

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

export function volumeFact(row: Selectable<VolumesTable>): Volume {
  return {
    spec: volumeSpec(row),
    version: row.version,
    statusBits: row.status_bits,
    mounts: row.mounts,
    maxMounts: row.max_mounts,
    lastUsedMs: Math.max(row.last_mount_ms, row.last_written_ms),
    mountedDrive: row.mounted_drive,
  };
}

export function volumeRow(row: Selectable<VolumesTable>, robotType: string): Init<VolumeRow> {
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
    dataExpirationS: row.data_expiration_s,
    description: row.description,
    robotType: row.slot > 0 ? robotType : '',
    owner: row.owner,
    errors: row.errors,
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
  };
}
