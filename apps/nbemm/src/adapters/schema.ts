// The EMM database: its tables and their typed rows. migrations.ts makes them.

import type { Generated } from 'kysely';

export interface MediaServersTable {
  name: string;
  active: boolean;
  version: string;
  /** 0: an administrator added it, and it has never started. */
  registered_ms: number;
  /** Set by an administrator: a start does not make it active again. */
  paused: boolean;
  description: string;
}

export interface NdmpHostsTable {
  name: string;
  address: string;
  port: number;
  auth: string;
  use_global: boolean;
}

export interface NdmpCredentialsTable {
  /** Empty: the default of all hosts. */
  ndmp_host: string;
  /** Empty: for every media server without one of its own. */
  media_server: string;
  user_name: string;
  /** Nonce, ciphertext and tag under the seal key; never in clear. */
  sealed_password: Buffer;
}

export interface RobotsTable {
  number: number;
  type: string;
  control_host: string;
  path: string;
  ndmp_host: string;
  /** Empty until a media server heard it. */
  serial: string;
}

export interface DrivesTable {
  name: string;
  index: number;
  density: string;
  robot_number: number;
  robot_drive: number;
  up: boolean;
  reason: string;
  last_used_ms: number;
  last_cleaned_ms: number;
  errors: number;
  /** Empty until a media server heard it. */
  serial: string;
}

/** One way to a drive. A drive has at least one. */
export interface DrivePathsTable {
  drive: string;
  /** Order in which they were added. */
  ordinal: number;
  media_server: string;
  /** Empty when the media server has the device itself. */
  ndmp_host: string;
  path: string;
  up: boolean;
  reason: string;
}

export interface PoolsTable {
  number: number;
  name: string;
  description: string;
  scratch: boolean;
  /** 0: no limit. */
  max_partially_full: number;
}

export interface VolumesTable {
  media_id: string;
  barcode: string;
  density: string;
  media_type: string;
  robot_number: number;
  slot: number;
  pool: string;
  /** 0: not assigned. */
  assigned_ms: number;
  /** Highest that assigned_ms has ever been: a label's time is never used twice. */
  assigned_last_ms: number;
  assigned_grant: string;
  previous_pool: string;
  retention_level: number;
  /** An encoded AppendPoint; null while nothing was closed on it. */
  append: Buffer | null;
  append_block: bigint;
  /** Epoch of the grant that moved the append point last. */
  append_epoch: bigint;
  version: bigint;
  status_bits: number;
  mounts: number;
  max_mounts: number;
  mounted_drive: string;
  created_ms: number;
  first_mount_ms: number;
  last_mount_ms: number;
  last_written_ms: number;
  written_bytes: bigint;
  images: number;
  /** Of these, how many the catalog has, as it told last. */
  valid_images: number;
  last_backup_id: string;
  data_expiration_s: bigint;
  description: string;
  owner: string;
  errors: number;
  volume_group: string;
  /** Written no more after it; 0: never. */
  expiration_ms: number;
  /** Of a cleaning cartridge: how many are left. */
  cleanings: number;
  offsite_location: string;
  offsite_slot: string;
  offsite_session: string;
  offsite_sent_ms: number;
  offsite_return_ms: number;
}

/** An image of which a fragment was closed on a volume since it was assigned. */
export interface VolumeImagesTable {
  media_id: string;
  backup_id: string;
}

export interface BarcodeRulesTable {
  tag: string;
  /** Rules of one length are tried in the order in which they were added. */
  added: Generated<bigint>;
  media_type: string;
  pool: string;
  max_mounts: number;
  description: string;
}

export interface MediaIdRulesTable {
  robot_number: number;
  barcode_length: number;
  rule: string;
}

export interface StorageUnitsTable {
  label: string;
  type: string;
  media_server: string;
  density: string;
  robot_number: number;
  robot_type: string;
  max_drives: number;
  max_fragment_mb: bigint;
  on_demand_only: boolean;
  ndmp_host: string;
  max_mpx: number;
  path: string;
  high_water_mark: number;
  low_water_mark: number;
  disk_type: string;
}

export interface StorageUnitGroupsTable {
  name: string;
  selection: string;
}

export interface StorageUnitGroupMembersTable {
  group_name: string;
  ordinal: number;
  unit: string;
}

export interface SettingsTable {
  name: string;
  value: string;
}

export interface ChangesTable {
  sequence: Generated<bigint>;
  at_ms: number;
  what: string;
}

export interface MediaEventsTable {
  grant_id: string;
  media_id: string;
  drive: string;
  event: string;
  at_ms: number;
  detail: string;
}

export interface EmmDb {
  media_servers: MediaServersTable;
  ndmp_hosts: NdmpHostsTable;
  ndmp_credentials: NdmpCredentialsTable;
  robots: RobotsTable;
  drives: DrivesTable;
  drive_paths: DrivePathsTable;
  pools: PoolsTable;
  volumes: VolumesTable;
  volume_images: VolumeImagesTable;
  barcode_rules: BarcodeRulesTable;
  media_id_rules: MediaIdRulesTable;
  storage_units: StorageUnitsTable;
  storage_unit_groups: StorageUnitGroupsTable;
  storage_unit_group_members: StorageUnitGroupMembersTable;
  media_events: MediaEventsTable;
  settings: SettingsTable;
  changes: ChangesTable;
}
