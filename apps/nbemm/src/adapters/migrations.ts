// The steps that bring the EMM database to this release. Never edit one that was released: add another.

import type { Migrations } from '@tapestry/store';
import { sql } from 'kysely';

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
  '0003-drive-paths': async (tx) => {
    await sql`create table drive_paths (
      drive text not null references drives (name) on delete cascade on update cascade,
      ordinal integer not null, media_server text not null, ndmp_host text not null,
      path text not null, up boolean not null default true, reason text not null default '',
      primary key (drive, media_server, ndmp_host, path))`.execute(tx);
    await sql`insert into drive_paths (drive, ordinal, media_server, ndmp_host, path)
      select name, 1, media_server, ndmp_host, path from drives`.execute(tx);
    await sql`alter table drives
      drop column media_server, drop column ndmp_host, drop column path`.execute(tx);
  },
  '0004-credentials': async (tx) => {
    await sql`create table ndmp_credentials (
      ndmp_host text not null, media_server text not null, user_name text not null,
      sealed_password bytea not null, primary key (ndmp_host, media_server))`.execute(tx);
    await sql`insert into ndmp_credentials
      select name, '', user_name, sealed_password from ndmp_hosts`.execute(tx);
    await sql`alter table ndmp_hosts
      drop column user_name, drop column sealed_password,
      add column use_global boolean not null default false`.execute(tx);
    await sql`alter table media_servers
      add column paused boolean not null default false,
      add column description text not null default ''`.execute(tx);
  },
  '0005-media-records': async (tx) => {
    await sql`alter table volumes
      add column volume_group text not null default '',
      add column expiration_ms double precision not null default 0,
      add column cleanings integer not null default 0,
      add column offsite_location text not null default '',
      add column offsite_slot text not null default '',
      add column offsite_session text not null default '',
      add column offsite_sent_ms double precision not null default 0,
      add column offsite_return_ms double precision not null default 0`.execute(tx);
    await sql`create index volumes_group on volumes (volume_group)`.execute(tx);
    await sql`alter table pools
      add column max_partially_full integer not null default 0`.execute(tx);
    await sql`create table barcode_rules (
      tag text primary key, added bigint generated always as identity, media_type text not null,
      pool text not null, max_mounts integer not null, description text not null)`.execute(tx);
    await sql`create table media_id_rules (
      robot_number integer not null, barcode_length integer not null, rule text not null,
      primary key (robot_number, barcode_length))`.execute(tx);
  },
  '0006-units': async (tx) => {
    await sql`alter table storage_units
      add column path text not null default '',
      add column high_water_mark integer not null default 0,
      add column low_water_mark integer not null default 0,
      add column disk_type text not null default ''`.execute(tx);
    await sql`create table storage_unit_groups (
      name text primary key, selection text not null)`.execute(tx);
    await sql`create table storage_unit_group_members (
      group_name text not null references storage_unit_groups (name) on delete cascade,
      ordinal integer not null, unit text not null references storage_units (label),
      primary key (group_name, unit))`.execute(tx);
    await sql`create table settings (name text primary key, value text not null)`.execute(tx);
    await sql`create table changes (
      sequence bigint generated always as identity primary key,
      at_ms double precision not null, what text not null)`.execute(tx);
  },
  '0007-cleaning': async (tx) => {
    await sql`alter table drives
      add column last_cleaned_ms double precision not null default 0`.execute(tx);
  },
  '0008-serials': async (tx) => {
    await sql`alter table drives add column serial text not null default ''`.execute(tx);
    await sql`alter table robots add column serial text not null default ''`.execute(tx);
  },
  '0009-contents': async (tx) => {
    await sql`alter table volumes add column valid_images integer not null default 0`.execute(tx);
    await sql`create table volume_images (
      media_id text not null references volumes (media_id) on delete cascade,
      backup_id text not null, primary key (media_id, backup_id))`.execute(tx);
    // Of earlier images only the last is known by name; the catalog knows those that are valid.
    await sql`insert into volume_images select media_id, last_backup_id from volumes
      where assigned_ms > 0 and last_backup_id <> ''`.execute(tx);
  },
};
