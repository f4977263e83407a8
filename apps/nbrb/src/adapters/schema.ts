// nbrb's tables: the queue, the grants, and who holds which drive and volume. A drive or a volume is one row of
// `holdings`, so that the database itself refuses a second owner.

import type { Migrations } from '@tapestry/store';
import { sql } from 'kysely';
import type { GrantState } from '../core/life.ts';

export interface RequestsTable {
  job_id: bigint;
  try: number;
  step: number;
  /** An encoded ResourceRequest. */
  request: Buffer;
  told_reason: string | null;
  told_ms: number;
}

export interface GrantsTable {
  grant_id: string;
  job_id: bigint;
  try: number;
  step: number;
  epoch: bigint;
  state: GrantState;
  drive: string;
  media_id: string;
  media_server: string;
  storage_unit: string;
  writes: boolean;
  counters: string[];
  /** An encoded Grant, as it is published. */
  grant: Buffer;
  /** The encoded request, which goes back into the queue when the volume cannot be assigned. */
  request: Buffer;
  needs_assign: boolean;
  renewed_ms: number;
  /** When it was given back; 0 while it lives. */
  release_ms: number;
  reason: string;
  /** Which need of the request it meets: 0 its own, then those beside it. */
  part: number;
  /** The grant that began the group of streams on this drive; its own id when it is, or was, alone. */
  group_id: string;
  pool: string;
  retention_level: number;
  /** Most streams that its group may have. */
  mpx_max: number;
  /** More streams may join its group. */
  joinable: boolean;
  /** The volume that it needed assigned is. */
  assigned: boolean;
  /** Volumes that it had before its present one. */
  volume_number: number;
}

export interface HoldingsTable {
  kind: 'drive' | 'volume';
  name: string;
  /** The group of grants that has it; empty when a media server reported a holder whom we do not know. */
  group_id: string;
  /** The drive by which it is held: what frees the drive frees its volume. */
  drive: string;
  host: string;
  job_id: bigint;
  /** Set while its state is unknown. */
  reason: string;
  since_ms: number;
  /** Which volume of its group it is: 0 the first, 1 the one on which the image went on, … */
  number: number;
  /** nbemm is still assigning it: not in a grant yet. */
  pending: boolean;
  /** A volume assigned for this group: goes back when nothing was written on it. */
  taken: boolean;
}

export interface SettingsTable {
  name: string;
  value: string;
}

export interface RbDb {
  settings: SettingsTable;
  requests: RequestsTable;
  grants: GrantsTable;
  holdings: HoldingsTable;
}

export const migrations: Migrations = {
  '0001-broker': async (tx) => {
    // A sequence never goes back, so no two grants ever share an epoch.
    await sql`create sequence grant_epoch`.execute(tx);
    await sql`create table requests (
      job_id bigint not null, try integer not null, step integer not null,
      request bytea not null, told_reason text, told_ms double precision not null default 0,
      primary key (job_id, try, step))`.execute(tx);
    await sql`create table grants (
      grant_id text primary key, job_id bigint not null, try integer not null,
      step integer not null, epoch bigint not null unique, state text not null
        check (state in ('assigning', 'active', 'releasing', 'lost')),
      drive text not null, media_id text not null, media_server text not null,
      storage_unit text not null, writes boolean not null, counters text[] not null,
      "grant" bytea not null, request bytea not null, needs_assign boolean not null,
      renewed_ms double precision not null, release_ms double precision not null default 0,
      reason text not null default '', unique (job_id, try, step))`.execute(tx);
    await sql`create table holdings (
      kind text not null check (kind in ('drive', 'volume')), name text not null,
      grant_id text not null, drive text not null, host text not null,
      job_id bigint not null, reason text not null default '',
      since_ms double precision not null, primary key (kind, name))`.execute(tx);
    await sql`create index holdings_grant on holdings (grant_id)`.execute(tx);
  },
  '0002-groups': async (tx) => {
    await sql`alter table grants
      add column part integer not null default 0, add column group_id text,
      add column pool text not null default '', add column retention_level integer not null default 0,
      add column mpx_max integer not null default 1, add column joinable boolean not null default true,
      add column assigned boolean not null default false,
      drop constraint grants_job_id_try_step_key,
      add constraint grants_part unique (job_id, try, step, part)`.execute(tx);
    await sql`update grants set group_id = grant_id`.execute(tx);
    await sql`alter table grants alter column group_id set not null`.execute(tx);
    await sql`create index grants_group on grants (group_id)`.execute(tx);
    await sql`alter table holdings rename column grant_id to group_id`.execute(tx);
    await sql`create table settings (name text primary key, value text not null)`.execute(tx);
  },
  '0003-spanning': async (tx) => {
    await sql`alter table grants add column volume_number integer not null default 0`.execute(tx);
    await sql`alter table holdings
      add column number integer not null default 0,
      add column pending boolean not null default false,
      add column taken boolean not null default false`.execute(tx);
    await sql`update holdings set taken = true where kind = 'volume' and exists (
      select from grants g where g.group_id = holdings.group_id and g.needs_assign)`.execute(tx);
  },
};
