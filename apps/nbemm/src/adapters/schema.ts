// The EMM database: tables, their typed rows, and the migrations that make them.

import type { Migrations } from '@tapestry/store';
import { sql } from 'kysely';

export interface MediaServersTable {
  name: string;
  active: boolean;
  version: string;
  registered_ms: number;
}

export interface NdmpHostsTable {
  name: string;
  address: string;
  port: number;
  user_name: string;
  auth: string;
  /** Nonce, ciphertext and tag under the seal key; never in clear. */
  sealed_password: Buffer;
}

export interface RobotsTable {
  number: number;
  type: string;
  control_host: string;
  path: string;
  ndmp_host: string;
}

export interface DrivesTable {
  name: string;
  index: number;
  density: string;
  media_server: string;
  path: string;
  robot_number: number;
  robot_drive: number;
  ndmp_host: string;
  up: boolean;
  reason: string;
  last_used_ms: number;
  errors: number;
}

export interface PoolsTable {
  number: number;
  name: string;
  description: string;
  scratch: boolean;
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
  last_backup_id: string;
  data_expiration_s: bigint;
  description: string;
  owner: string;
  errors: number;
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
  robots: RobotsTable;
  drives: DrivesTable;
  pools: PoolsTable;
  volumes: VolumesTable;
  storage_units: StorageUnitsTable;
  media_events: MediaEventsTable;
}

export const migrations: Migrations = {
  '0001-devices': async (tx) => {
    await sql`create table media_servers (
      name text primary key, active boolean not null, version text not null,
      registered_ms double precision not null)`.execute(tx);
    await sql`create table ndmp_hosts (
      name text primary key, address text not null, port integer not null,
      user_name text not null, auth text not null, sealed_password bytea not null)`.execute(tx);
    await sql`create table robots (
      number integer primary key, type text not null, control_host text not null,
      path text not null, ndmp_host text not null)`.execute(tx);
    await sql`create table drives (
      name text primary key, index integer not null unique, density text not null,
      media_server text not null, path text not null, robot_number integer not null,
      robot_drive integer not null, ndmp_host text not null,
      up boolean not null default true, reason text not null default '',
      last_used_ms double precision not null default 0, errors integer not null default 0)`.execute(
      tx,
    );
    await sql`create table storage_units (
      label text primary key, type text not null, media_server text not null,
      density text not null, robot_number integer not null, robot_type text not null,
      max_drives integer not null, max_fragment_mb bigint not null,
      on_demand_only boolean not null, ndmp_host text not null, max_mpx integer not null)`.execute(
      tx,
    );
  },
  '0002-media': async (tx) => {
    await sql`create table pools (
      number integer primary key, name text not null unique, description text not null,
      scratch boolean not null)`.execute(tx);
    await sql`insert into pools values
      (0, 'None', 'volumes that are not for backups', false),
      (1, 'NetBackup', 'the default pool', false),
      (2, 'DataStore', 'volumes for DataStore', false),
      (3, 'CatalogBackup', 'catalog backups', false)`.execute(tx);
    await sql`create table volumes (
      media_id text primary key, barcode text not null, density text not null,
      media_type text not null, robot_number integer not null, slot integer not null,
      pool text not null references pools (name),
      assigned_ms double precision not null default 0,
      assigned_last_ms double precision not null default 0,
      assigned_grant text not null default '', previous_pool text not null default '',
      retention_level integer not null default 0, append bytea,
      append_block bigint not null default 0, append_epoch bigint not null default 0,
      version bigint not null default 1, status_bits integer not null default 0,
      mounts integer not null default 0, max_mounts integer not null default 0,
      mounted_drive text not null default '',
      created_ms double precision not null, first_mount_ms double precision not null default 0,
      last_mount_ms double precision not null default 0,
      last_written_ms double precision not null default 0,
      written_bytes bigint not null default 0, images integer not null default 0,
      last_backup_id text not null default '', data_expiration_s bigint not null default 0,
      description text not null default '', owner text not null default '',
      errors integer not null default 0)`.execute(tx);
    await sql`create index volumes_pool on volumes (pool)`.execute(tx);
    await sql`create table media_events (
      grant_id text not null, media_id text not null, drive text not null, event text not null,
      at_ms double precision not null, detail text not null,
      primary key (media_id, grant_id, drive, event, at_ms))`.execute(tx);
    await sql`create index media_events_at on media_events (at_ms)`.execute(tx);
  },
};
