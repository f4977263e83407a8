// bpdbm's tables: policies, images with their fragments, our model of the filers' dump dates, and upload tickets.

import type { Migrations } from '@tapestry/store';
import { sql } from 'kysely';

export interface PoliciesTable {
  name: string;
  generation: bigint;
  active: boolean;
  /** An encoded Policy. */
  policy: Buffer;
}

/** Who owns a path's dump dates: one active policy for each client and path. */
export interface PathOwnersTable {
  client: string;
  path: string;
  policy: string;
}

export interface ImagesTable {
  backup_id: string;
  client: string;
  backup_time_s: bigint;
  policy: string;
  policy_type: string;
  schedule: string;
  schedule_type: string;
  retention_level: number;
  expiration_s: bigint;
  path: string;
  level: number;
  base_backup_id: string;
  butype: string;
  /** expired: a cleanup has begun to remove it, and nothing else looks at it any more. */
  state: 'provisional' | 'valid' | 'expired';
  job_id: bigint;
  try: number;
  step: number;
  storage_unit: string;
  owner: string;
  keyword: string;
  bytes: bigint;
  files: bigint;
  elapsed_s: bigint;
  /** An encoded ImageResult; null while provisional. */
  result: Buffer | null;
  /** The file list that was delivered. */
  list_sha256: Buffer | null;
  list_size_bytes: bigint;
  /** Its fragments on disk storage units stay when it goes. */
  keep_on_disk: boolean;
}

/** For "which images are on this volume"; the whole fragment is in the image's result. */
export interface ImageMediaTable {
  backup_id: string;
  media_id: string;
}

/** A restore was planned with the image: it stays until the job is known to nbjm. */
export interface ImageReadsTable {
  backup_id: string;
  until_ms: number;
}

/** Images that are no more: what still lies of them somewhere is nobody's. */
export interface ImagesGoneTable {
  backup_id: string;
  /** False: its attempt came to nothing. */
  was_valid: boolean;
  kept_on_disk: boolean;
  at_s: bigint;
}

/** Cleanups that were asked for, or were due. */
export interface CleanupRunsTable {
  key: string;
  requested_ms: number;
  requester: string;
  /** Empty for everything. */
  storage_unit: string;
  job_id: bigint | null;
  /** 0: it waits. */
  started_ms: number;
  /** 0: it is not over. */
  ended_ms: number;
  status: number;
}

export interface DumpDatesTable {
  client: string;
  path: string;
  level: number;
  backup_id: string;
  at_s: bigint;
  unsure: boolean;
}

export interface TicketsTable {
  /** SHA-256 of the ticket: who reads the database cannot use it. */
  ticket_hash: Buffer;
  backup_id: string;
  sha256: Buffer;
  size_bytes: bigint;
  expires_ms: number;
}

export interface ImageDb {
  policies: PoliciesTable;
  path_owners: PathOwnersTable;
  images: ImagesTable;
  image_media: ImageMediaTable;
  image_reads: ImageReadsTable;
  images_gone: ImagesGoneTable;
  cleanup_runs: CleanupRunsTable;
  dump_dates: DumpDatesTable;
  tickets: TicketsTable;
}

export const migrations: Migrations = {
  '0001-policies': async (tx) => {
    await sql`create table policies (
      name text collate "C" primary key, generation bigint not null, active boolean not null,
      policy bytea not null)`.execute(tx);
    await sql`create table path_owners (
      client text not null, path text not null,
      policy text collate "C" not null references policies (name) on delete cascade,
      primary key (client, path))`.execute(tx);
  },
  '0002-images': async (tx) => {
    await sql`create table images (
      backup_id text primary key, client text not null, backup_time_s bigint not null,
      policy text not null, policy_type text not null, schedule text not null,
      schedule_type text not null, retention_level integer not null,
      expiration_s bigint not null, path text not null, level integer not null,
      base_backup_id text not null, butype text not null,
      state text not null check (state in ('provisional', 'valid')),
      job_id bigint not null, try integer not null, step integer not null,
      storage_unit text not null, owner text not null, keyword text not null,
      bytes bigint not null default 0, files bigint not null default 0,
      elapsed_s bigint not null default 0, result bytea, list_sha256 bytea,
      list_size_bytes bigint not null default 0,
      unique (job_id, try, step), unique (client, backup_time_s),
      check (state = 'provisional' or (result is not null and list_sha256 is not null)))`.execute(
      tx,
    );
    await sql`create index images_time on images (backup_time_s)`.execute(tx);
    await sql`create index images_path on images (client, path, backup_time_s)`.execute(tx);
    await sql`create index images_policy on images (policy, backup_time_s)`.execute(tx);
    await sql`create index images_provisional on images (backup_id)
      where state = 'provisional'`.execute(tx);
    await sql`create table image_media (
      backup_id text not null references images (backup_id) on delete cascade,
      media_id text not null, primary key (media_id, backup_id))`.execute(tx);
    await sql`create table dump_dates (
      client text not null, path text not null, level integer not null,
      backup_id text not null, at_s bigint not null, unsure boolean not null,
      primary key (client, path, level))`.execute(tx);
    await sql`create table tickets (
      ticket_hash bytea primary key, backup_id text not null references images (backup_id)
        on delete cascade, sha256 bytea not null, size_bytes bigint not null,
      expires_ms double precision not null)`.execute(tx);
  },
  '0003-expiry': async (tx) => {
    await sql`alter table images
      drop constraint images_state_check,
      add constraint images_state check (state in ('provisional', 'valid', 'expired')),
      add column keep_on_disk boolean not null default false`.execute(tx);
    await sql`create index images_expiring on images (expiration_s) where state = 'valid'`.execute(
      tx,
    );
    await sql`create index images_expired on images (backup_id) where state = 'expired'`.execute(
      tx,
    );
    await sql`create index image_media_image on image_media (backup_id)`.execute(tx);
    await sql`create table image_reads (
      backup_id text primary key references images (backup_id) on delete cascade,
      until_ms double precision not null)`.execute(tx);
    await sql`create table images_gone (
      backup_id text primary key, was_valid boolean not null, kept_on_disk boolean not null,
      at_s bigint not null)`.execute(tx);
    await sql`create table cleanup_runs (
      key text primary key, requested_ms double precision not null, requester text not null,
      storage_unit text not null, job_id bigint, started_ms double precision not null default 0,
      ended_ms double precision not null default 0, status integer not null default 0)`.execute(tx);
    await sql`create index cleanup_runs_open on cleanup_runs (requested_ms)
      where ended_ms = 0`.execute(tx);
  },
};
